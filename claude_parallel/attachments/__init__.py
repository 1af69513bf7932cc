"""Pictures and documents of a row, as content blocks of its message."""
