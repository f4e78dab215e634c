"""Measurements: a module each, with `figures()`; `python -m benchmarks` runs them and keeps them in the README."""
