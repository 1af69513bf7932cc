"""Typed answers: schemas for the API, and values from its texts."""
