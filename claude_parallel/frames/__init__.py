"""Frames and series in, frames and series out."""
