"""What a network costs, in every convention."""
