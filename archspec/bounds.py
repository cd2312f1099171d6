"""Numbers that hold everywhere, or that help texts tell before anything is imported; every other bound stands with what
it bounds."""

MAX_WHOLE = 2**31 - 1
"""The largest whole number that a field, an extent, a size or a batch may be."""
MAX_NODES = 100_000
"""The number of nodes and loop turns that a spec may expand to, where the caller names no other."""
MC_BATCH = 32
"""The number of images in a mini-batch of Monte Carlo batch normalization, where nothing is said."""
