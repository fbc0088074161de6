"""Writes candidates: flows of prompts, leaf-local sampling, the local teacher, and the ledger that makes the work resumable."""
