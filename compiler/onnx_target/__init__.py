"""Graph and weights → ONNX."""
