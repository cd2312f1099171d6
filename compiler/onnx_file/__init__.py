"""The format on disk: what an ONNX file says, holds and keeps beside it. Nothing here knows a graph."""
