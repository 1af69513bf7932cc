"""Decide and trust: try on a sample, compare, label by hand, and say how far the numbers can be believed."""
