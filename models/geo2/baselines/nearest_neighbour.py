"""The rival that makes nothing: the other view of the training place whose view of the same kind is most similar."""

import numpy as np

from ..evaluate.synthesis import Pairs, System


def nearest_neighbour(train: Pairs) -> System:
    """train: pairs of cities that the evaluated split has none of."""

    def synthesize(pairs: Pairs, direction: str) -> np.ndarray:
        if direction == "ground_to_satellite":
            return train.satellite[(pairs.ground_embedding @ train.ground_embedding.T).argmax(1)]
        return train.ground[(pairs.satellite_embedding @ train.satellite_embedding.T).argmax(1)]

    return synthesize
