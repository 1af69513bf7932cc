"""The journal: every paid answer, on disk before anyone judges it."""
