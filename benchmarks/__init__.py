"""Benchmarks against the loopback simulator: ``python -m benchmarks``."""
