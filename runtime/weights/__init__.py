"""Weights in files and from callers: read, written, and converted from those of other libraries."""
