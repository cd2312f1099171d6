"""How values and gradients grow at initialization."""
