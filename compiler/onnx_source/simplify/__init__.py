"""What exporters write in pieces, put together again."""
