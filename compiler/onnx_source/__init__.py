"""An ONNX file, whoever wrote it → Graph."""
