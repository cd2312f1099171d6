"""A float model in integers of eight bits."""
