"""Fairness: which leaves, languages and declared groups the accepted records speak for, and how the filter treats each."""
