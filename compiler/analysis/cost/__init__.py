"""The cost of a network, in every convention."""
