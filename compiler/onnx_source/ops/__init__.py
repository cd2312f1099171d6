"""Operations of ONNX that no word of the language says."""
