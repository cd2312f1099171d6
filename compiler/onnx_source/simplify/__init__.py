"""Passes that put together again what exporters write in pieces."""
