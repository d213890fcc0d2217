"""Side by side with the peers. `python -m benchmarks` prints a table, `--json` an object a row."""
