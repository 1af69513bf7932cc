"""Prompts: templates and functions become messages, and messages become requests."""
