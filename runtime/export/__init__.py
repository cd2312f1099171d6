"""From a graph and its weights to a model file that is proven."""
