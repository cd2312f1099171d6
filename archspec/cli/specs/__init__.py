"""Commands on specs."""
