"""The graph: one module per stage, asset checks, automation, the composition root and the command line."""
