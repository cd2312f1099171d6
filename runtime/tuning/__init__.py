"""Settings of ONNX Runtime, chosen by measurement and kept beside the model."""
