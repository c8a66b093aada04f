"""Benchmarks: `python -m pytest benchmarks`, and `python -m benchmarks.budgets`."""
