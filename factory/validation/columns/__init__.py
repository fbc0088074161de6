"""Typed columns: numbers, categories, dates and booleans, as a table has them and as the records of a line have them."""
