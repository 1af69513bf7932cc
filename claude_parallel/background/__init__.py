"""Maps that run beside the notebook, and batches that are found again by their ids."""
