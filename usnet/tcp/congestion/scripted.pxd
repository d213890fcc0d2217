"""Controllers written in Python, for experiments (docs/congestion.md)."""
