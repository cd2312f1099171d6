"""A model file against the network and weights that it was exported from."""
