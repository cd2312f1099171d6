"""Commands that measure networks by experiments."""
