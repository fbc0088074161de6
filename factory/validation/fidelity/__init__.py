"""Fidelity: do the accepted records look like the real examples that people wrote?"""
