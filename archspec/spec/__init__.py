"""The language: text with marks, expressions, nodes, documents, and whole specs."""
