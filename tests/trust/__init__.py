"""Decide and trust: preview, compare, review, audit."""
