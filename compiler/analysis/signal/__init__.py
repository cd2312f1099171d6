"""The signal at initialization: how values and gradients grow."""
