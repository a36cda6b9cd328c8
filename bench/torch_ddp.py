"""Times a training step of ResNet-50 (cifar stem) in PyTorch DDP: gloo, N processes, channels_last."""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import gloo_group
import measure
import resnet_torch


# How long a step or the way to the first one may take.
PATIENCE_S = 300


class TurnsOfParent(measure.Turns):
    """The parent process says when this rank's steps begin."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._words = context.Queue()
        self._times = context.Queue()

    def ready(self) -> None:
        self._times.put(0.0)

    def begin(self) -> None:
        self._words.get()

    def end(self, ms: float) -> None:
        self._times.put(ms)

    def say_begin(self) -> None:
        """For the parent: the rank may begin its next step."""
        self._words.put(None)

    def wait_end(self) -> float:
        """For the parent: the milliseconds of the rank's step, or 0 when its warm-up is over."""
        return self._times.get(timeout=PATIENCE_S)


def relay(turns: measure.Turns, ranks: Sequence[TurnsOfParent], steps: int) -> None:
    """Passes the caller's turns on to the ranks; a step is over when its slowest rank is."""
    for rank in ranks:
        rank.wait_end()
    turns.ready()
    for _ in range(steps):
        turns.begin()
        for rank in ranks:
            rank.say_begin()
        turns.end(max(rank.wait_end() for rank in ranks))


def work(turns: Sequence[measure.Turns], rank: int, args: argparse.Namespace) -> dict[str, Any]:
    """One rank's report; its steps start together with those of the others."""
    model = resnet_torch.build(seed=1)
    batches = resnet_torch.random_batches(args.batch // args.workers, count=4, seed=2 + rank)
    # All that makes DDP faster and changes no gradient: views of the buckets, a graph that never changes,
    # and no broadcast of running statistics in every forward pass.
    replica = DistributedDataParallel(
        model,
        broadcast_buffers=False,
        gradient_as_bucket_view=True,
        static_graph=True,
        bucket_cap_mb=args.bucket_mb,
    )
    step = resnet_torch.train_step(replica, resnet_torch.optimiser(model), batches, args.precision)
    dist.barrier()
    times, first_step_ms = measure.time_steps(step, args.warmup, args.steps, turns[rank])
    return {"times": times, "firstStepMs": first_step_ms, "peakRssBytes": measure.peak_rss_bytes()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Example: python bench/torch_ddp.py --workers 2 --batch 32"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes (default 2)")
    parser.add_argument(
        "--batch", type=int, default=32, help="images in a step over all processes (default 32)"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of each process (default 1)")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument(
        "--bucket-mb", type=float, default=25, help="DDP's bucket size (default 25, as in DDP)"
    )
    parser.add_argument("--steps", type=int, default=8, help="timed steps (default 8)")
    parser.add_argument("--warmup", type=int, default=3, help="steps before those (default 3)")
    measure.add_turns_option(parser)
    args = parser.parse_args()
    if args.batch % args.workers:
        parser.error(f"--batch {args.batch} cannot be split evenly over {args.workers} workers")

    if args.turns:
        turns = [TurnsOfParent() for _ in range(args.workers)]
        meanwhile = partial(relay, measure.turns_of(args), turns, args.steps)
        ranks = gloo_group.run(partial(work, turns), args, args.workers, args.threads, meanwhile)
    else:
        turns = [measure.Turns()] * args.workers
        ranks = gloo_group.run(partial(work, turns), args, args.workers, args.threads)
    # A step is over when its slowest rank is.
    times = [max(rank["times"][index] for rank in ranks) for index in range(args.steps)]
    report = measure.step_report(args.batch, times, max(rank["firstStepMs"] for rank in ranks))
    report["peakRssBytes"] = max(rank["peakRssBytes"] for rank in ranks)
    measure.print_json(
        {
            "peer": f"PyTorch {torch.__version__} DDP, gloo",
            "workers": args.workers,
            "threads": args.threads,
            "precision": args.precision,
            **report,
        }
    )


if __name__ == "__main__":
    main()
