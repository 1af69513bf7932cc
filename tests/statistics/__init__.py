"""The statistics behind comparisons and audits."""
