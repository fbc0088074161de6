"""Four reports on the accepted records (fidelity, privacy, fairness, collapse) and the gate table over them."""
