"""Processes that share work, one thread each: cities to prepare, or parts of a batch to learn from."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn


@dataclass(frozen=True)
class Worker:
    """One of `count` processes; the first keeps the log and the checkpoint."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def average(self, module: nn.Module, progress: float) -> float:
        """Average the gradients of all workers in place, and their progress, so that all of them end after the same step."""
        if self.count == 1:
            return progress
        parameters = [p for p in module.parameters() if p.grad is not None]
        flat = torch.cat([*(p.grad.flatten() for p in parameters), torch.tensor([progress])])
        torch.distributed.all_reduce(flat)
        flat /= self.count
        start = 0
        for parameter in parameters:
            parameter.grad.copy_(flat[start : start + parameter.numel()].view_as(parameter))
            start += parameter.numel()
        return float(flat[-1])

    def wait(self) -> None:
        """Until every worker is here."""
        if self.count > 1:
            torch.distributed.barrier()


def run_workers(count: int, work: Callable[..., None], *arguments: object) -> None:
    """work(worker, *arguments) in `count` processes of one thread each, or here when there is one. An error in one ends all and is raised."""
    if count == 1:
        work(Worker(), *arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        rendezvous = (Path(folder) / "rendezvous").as_uri()
        torch.multiprocessing.spawn(_start, (count, rendezvous, work, arguments), nprocs=count)


def _start(rank: int, count: int, rendezvous: str, work: Callable[..., None], arguments: tuple) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=count)
    try:
        work(Worker(rank, count), *arguments)
    finally:
        torch.distributed.destroy_process_group()
