"""Measurements behind the README's claims; ``python -m benchmarks`` runs all of them."""
