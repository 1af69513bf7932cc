"""The statistics behind comparisons and audits: pure functions of counts, each with the source of its formula."""
