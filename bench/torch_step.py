"""Times a training step of ResNet-50 in PyTorch: one process, N threads, channels_last."""

from __future__ import annotations

import argparse

import torch

import measure
import resnet_torch


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Example: python bench/torch_step.py --precision bfloat16 --threads 2"
    )
    parser.add_argument("--stem", choices=("cifar", "imagenet"), default="cifar")
    parser.add_argument("--batch", type=int, default=32, help="images in a step (default 32)")
    parser.add_argument("--threads", type=int, default=2, help="threads of one operation (default 2)")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--steps", type=int, default=8, help="timed steps (default 8)")
    parser.add_argument("--warmup", type=int, default=3, help="steps before those (default 3)")
    parser.add_argument(
        "--compile", action="store_true", help="torch.compile the network (needs g++; slow first step)"
    )
    measure.add_turns_option(parser)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.set_num_interop_threads(1)
    model = resnet_torch.build(seed=1, stem=args.stem)
    sgd = resnet_torch.optimiser(model)
    batches = resnet_torch.random_batches(args.batch, count=4, seed=2)
    network = torch.compile(model) if args.compile else model
    step = resnet_torch.train_step(network, sgd, batches, args.precision)
    times, first_step_ms = measure.time_steps(step, args.warmup, args.steps, measure.turns_of(args))
    measure.print_json(
        {
            "peer": f"PyTorch {torch.__version__}",
            "threads": args.threads,
            "precision": args.precision,
            **measure.step_report(args.batch, times, first_step_ms),
        }
    )


if __name__ == "__main__":
    main()
