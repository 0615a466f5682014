"""What a stage measures while it trains: retrieval on the split `val`."""

from typing import Protocol

import numpy as np

from ..evaluate.metrics import hit_rate, nearest_tile, recall, semi_positives


class Gallery(Protocol):
    """Where tiles [m, 2] and queries [n, 2] lie, metres of one frame, and which queries are photos [n]."""

    tile_m: np.ndarray
    query_m: np.ndarray
    photo: np.ndarray


def retrieval_report(ground: np.ndarray, satellite: np.ndarray, gallery: Gallery) -> dict[str, float]:
    """Of embeddings [n, K, D] and [m, D]: R@1, R@10 and hit rate of panoramas, R@1 and R@10 of photos, nearest tile as truth."""
    truth = nearest_tile(gallery.query_m, gallery.tile_m)
    similarity = (ground @ satellite.T).max(1)  # over hypotheses
    row, column = ~gallery.photo, gallery.photo
    covering = semi_positives(gallery.query_m, gallery.tile_m)
    report = {"val_r1": recall(similarity[row], truth[row], 1), "val_r10": recall(similarity[row], truth[row], 10)}
    report["val_hit"] = hit_rate(similarity[row], truth[row], covering[row])
    if column.any():
        report["val_photo_r1"] = recall(similarity[column], truth[column], 1)
        report["val_photo_r10"] = recall(similarity[column], truth[column], 10)
    return report
