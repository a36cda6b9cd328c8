"""Times gloo's all-reduce between processes on loopback, as one tensor and in buckets as DDP sends them."""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch
import torch.distributed as dist

import gloo_group
import measure

# Seconds of the clock that all processes of a host share.
Span = tuple[float, float]


def work(rank: int, args: argparse.Namespace) -> dict[str, list[Span]]:
    """When each repeat began and ended on this rank, for one tensor and for buckets."""
    elements = round(args.size_mb * 1e6) // 4
    data = torch.full((elements,), float(rank + 1))
    buckets = data.split(round(args.bucket_mb * 2**20) // 4)

    def in_one() -> None:
        dist.all_reduce(data)

    def in_buckets() -> None:
        for pending in [dist.all_reduce(bucket, async_op=True) for bucket in buckets]:
            pending.wait()

    spans: dict[str, list[Span]] = {}
    for name, reduce in (("one", in_one), ("buckets", in_buckets)):
        spans[name] = []
        for repeat in range(args.warmup + args.repeats):
            data.fill_(rank + 1)
            dist.barrier()
            begin = time.monotonic()
            reduce()
            end = time.monotonic()
            if repeat >= args.warmup:
                spans[name].append((begin, end))
            expected = args.workers * (args.workers + 1) / 2
            if not bool((data == expected).all()):
                raise RuntimeError(f"rank {rank}: the all-reduce gave a wrong sum")
    return spans


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Example: python bench/gloo_allreduce.py --size-mb 94 --repeats 20"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes (default 2)")
    parser.add_argument(
        "--size-mb", type=float, default=94, help="size in 10^6 bytes (default 94: ResNet-50's gradients)"
    )
    parser.add_argument(
        "--bucket-mb", type=float, default=25, help="size of a bucket in 2^20 bytes (default 25, as in DDP)"
    )
    parser.add_argument("--repeats", type=int, default=20, help="timed repeats (default 20)")
    parser.add_argument("--warmup", type=int, default=5, help="repeats before those (default 5)")
    args = parser.parse_args()

    ranks = gloo_group.run(work, args, args.workers, threads=1)
    paths: dict[str, Any] = {}
    for name in ranks[0]:
        # From the first rank's start to the last one's end.
        repeats = zip(*(rank[name] for rank in ranks), strict=True)
        times = [
            (max(end for _, end in spans) - min(begin for begin, _ in spans)) * 1000 for spans in repeats
        ]
        paths[name] = {"ms": measure.summary(times)}
    measure.print_json(
        {"peer": f"gloo in PyTorch {torch.__version__}", "sizeMB": args.size_mb, "paths": paths}
    )


if __name__ == "__main__":
    main()
