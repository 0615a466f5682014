"""Choices made by measurement: which encoder, and what joint training brings."""
