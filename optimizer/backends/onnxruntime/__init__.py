"""ONNX Runtime: models as graphs."""
