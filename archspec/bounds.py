"""What bounds numbers everywhere; every other bound stands with what it bounds."""

MAX_WHOLE = 2**31 - 1
"""The largest whole number that a field, an extent, a size or a batch may be."""
