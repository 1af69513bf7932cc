"""What a run shows while it goes on: counts, reasons to wait, bars and the panel."""
