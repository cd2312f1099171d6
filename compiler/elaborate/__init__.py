"""From a spec to a graph."""
