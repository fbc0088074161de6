"""What every tuning of a model here shares: the order of its rows, the folder it works in, and a library that keeps still."""
