"""Benchmarks: one script a question, each prints a figure and its ratio to a yardstick run beside it."""
