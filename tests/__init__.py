"""The tests. `python -m tests` runs all of them, with lint and types."""
