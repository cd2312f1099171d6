"""The memory of a network at inference and in training."""
