"""Rivals, each scored by the same code as ours: of the flow (`trained`, `nearest_neighbour`), and of the embedding (`RIVALS` in `retrieval`)."""
