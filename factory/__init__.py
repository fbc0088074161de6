"""The engine: plain Python from seed examples to a tuned student, usable from a notebook; never imports Dagster or MLflow."""
