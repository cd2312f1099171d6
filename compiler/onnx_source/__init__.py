"""An ONNX file, whoever wrote it → Graph."""

from compiler.onnx_source.read import read_graph

__all__ = ["read_graph"]
