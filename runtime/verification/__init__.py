"""A model file, proven again at any time: by itself with a second witness, and against its network and weights."""
