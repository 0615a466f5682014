"""Evaluation of the released ONNX files on view sets (protocols: EVALUATION)."""
