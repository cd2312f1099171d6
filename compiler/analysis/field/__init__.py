"""What a position sees: receptive fields."""
