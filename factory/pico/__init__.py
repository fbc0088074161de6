"""The pico family: a bundled teacher, student base and reward model, their tokenizer, and the recipe that makes them."""
