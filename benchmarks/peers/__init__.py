"""Other tools against the same simulator: ``python -m benchmarks.peers``."""
