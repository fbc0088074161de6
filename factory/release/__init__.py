"""The release: an immutable, checksummed dataset with its card, and the trace of a record from its seeds to the models that hold it."""
