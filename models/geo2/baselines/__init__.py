"""Rivals of the flow, each scored by the same code as ours."""
