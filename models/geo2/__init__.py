"""Geo2: one geometry-aware embedding for ground and satellite views (GeoMap), its training, export and evaluation.

Letters: B batch, S frames, V views of a panorama, P patches of a frame, N tokens, C channels, D width, R range bins, A azimuth columns.
Frames: a ground canvas has its heading at the centre column and azimuth growing to the right; tiles have that heading up.
"""

__version__ = "0.1.0"
