"""Retrieval metrics on a similarity matrix [queries, references] with the index of each query's true reference; in percent."""

import numpy as np

HALF_TILE_M = 35.0


def ranks(similarity: np.ndarray, truth: np.ndarray, pessimistic: bool = False) -> np.ndarray:
    """How many references score more than the true one; with `pessimistic`, ties count as more."""
    own = similarity[np.arange(len(truth)), truth][:, None]
    if not pessimistic:
        return (similarity > own).sum(1)
    return (similarity >= own).sum(1) - 1


def recall(similarity: np.ndarray, truth: np.ndarray, k: int, pessimistic: bool = False) -> float:
    """R@k."""
    return 100 * float((ranks(similarity, truth, pessimistic) < k).mean())


def nearest_tile(query_m: np.ndarray, tile_m: np.ndarray) -> np.ndarray:
    """Index of the tile whose centre is nearest to each query; both in metres of one frame, [n, 2] and [m, 2]."""
    return np.array([int(((tile_m - q) ** 2).sum(1).argmin()) for q in query_m])


def semi_positives(query_m: np.ndarray, tile_m: np.ndarray, half_tile_m: float = HALF_TILE_M) -> np.ndarray:
    """[n, m], true where a tile covers the query."""
    apart = np.abs(query_m[:, None] - tile_m[None]).max(-1)
    return apart <= half_tile_m


def hit_rate(similarity: np.ndarray, truth: np.ndarray, covering: np.ndarray) -> float:
    """VIGOR's hit rate: no tile that does not cover the query scores more than the true one."""
    own = similarity[np.arange(len(truth)), truth][:, None]
    return 100 * float((((similarity > own) & ~covering).sum(1) < 1).mean())
