"""Collapse: how far the records are from real data by generation, and whether diversity and tails are still there."""
