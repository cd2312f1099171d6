"""From a spec to a graph, and from the graph to numbers, torch and ONNX."""
