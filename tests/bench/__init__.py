"""Benches: each module has `bench() -> Table`, or several; `python -m tests.bench` runs and prints them all."""
