"""What happens after compiling: data, training, sessions on ONNX Runtime, proofs, benchmarks, and the doctor."""
