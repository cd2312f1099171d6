"""A body as it is written in its spec, drawn for the documentation."""
