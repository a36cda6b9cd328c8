"""Starts N gloo processes on this host's loopback and collects what each of them returns."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

Work = Callable[[int, Any], Any]


def _enter(rank: int, world: int, threads: int, folder: str, work: Work, args: Any) -> None:
    os.dup2(2, 1)  # gloo greets on stdout, which belongs to the report
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    # A file is the rendezvous, so that no port has to be chosen.
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=world)
    torch.save(work(rank, args), Path(folder) / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def run(
    work: Work, args: Any, world: int, threads: int, meanwhile: Callable[[], None] = lambda: None
) -> list[Any]:
    """Calls `work(rank, args)` in each of `world` new processes, and `meanwhile()` in this one.

    Returns the results by rank.
    """
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    os.environ["OMP_NUM_THREADS"] = str(threads)
    with tempfile.TemporaryDirectory(prefix="lockstep-peers-") as folder:
        ranks = multiprocessing.spawn(
            _enter, args=(world, threads, folder, work, args), nprocs=world, join=False, daemon=True
        )
        meanwhile()  # Where it fails, the processes end with this one.
        while not ranks.join():
            pass
        return [torch.load(Path(folder) / f"{rank}.pt", weights_only=False) for rank in range(world)]
