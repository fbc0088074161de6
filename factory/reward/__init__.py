"""Verifiers, reward model, duplicates, the verdict and the funnel: which candidates are good enough, and why the others are not."""
