"""Commands that draw a network."""
