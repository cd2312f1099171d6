"""What a network keeps in memory."""
