"""Time, steps and learning rate of a stage: a budget in minutes that survives interruptions."""

import json
import math
import time
from pathlib import Path

from torch.optim import Optimizer


class Clock:
    """Seconds of training already spent (`spent`, from a checkpoint) plus those of this run, against a budget."""

    def __init__(self, minutes: float, spent: float = 0.0) -> None:
        self.budget, self.before, self.started = minutes * 60, spent, time.monotonic()

    @property
    def spent(self) -> float:
        return self.before + time.monotonic() - self.started

    @property
    def progress(self) -> float:
        """0 at the start, 1 when the budget is used."""
        return min(1.0, self.spent / self.budget) if self.budget > 0 else 1.0


def set_learning_rate(optimizer: Optimizer, base: float, step: int, warmup: int, progress: float) -> float:
    """Linear warm-up over steps, then cosine to 1 % over the budget."""
    rate = base * min(1.0, (step + 1) / max(1, warmup)) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate


class Log:
    """Appends one JSON object a line to log.jsonl and prints it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, **values: float | int | str) -> None:
        rounded = {k: (round(v, 5) if isinstance(v, float) else v) for k, v in values.items()}
        with self.path.open("a") as file:
            file.write(json.dumps(rounded) + "\n")
        print(" ".join(f"{k}={v}" for k, v in rounded.items()), flush=True)
