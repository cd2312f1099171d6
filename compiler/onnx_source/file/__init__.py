"""What is read of a file before its nodes are."""
