"""Differential fuzzing: the compiled twin against the pure one, and both against what needs no twin."""
