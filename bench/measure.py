"""Times steps and reads this process's start and peak memory, for the figures that our own bench prints."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Summary = dict[str, float]


class Turns:
    """When each timed step begins: at once."""

    def ready(self) -> None:
        """The warm-up is over."""

    def begin(self) -> None:
        """Returns when the next step may begin."""

    def end(self, ms: float) -> None:
        """A step has taken `ms` milliseconds."""


class TurnsOfCaller(Turns):
    """The program that started this one says when: with a line on stdin before each step.

    A line on stdout says that the warm-up is over, and one ends each step: a JSON document each, as
    `lockstep bench step --turns` writes them.
    """

    def __init__(self, images: int) -> None:
        self._images = images

    def ready(self) -> None:
        print_json({"ready": True})

    def begin(self) -> None:
        if not sys.stdin.readline():
            raise EOFError("--turns got no line for its next step")

    def end(self, ms: float) -> None:
        print_json({"ms": ms, "imagesPerSec": self._images * 1000 / ms})


def turns_of(args: argparse.Namespace) -> Turns:
    """Whoever `--turns` asks for, for steps of `--batch` images."""
    return TurnsOfCaller(args.batch) if args.turns else Turns()


def add_turns_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--turns`."""
    parser.add_argument(
        "--turns",
        action="store_true",
        help="wait for a line on stdin before each timed step, and print one of JSON after it",
    )


def milliseconds_since_process_start() -> float:
    """Milliseconds since the kernel started this process (/proc/self/stat, field 22: ticks since boot)."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return (time.clock_gettime(time.CLOCK_BOOTTIME) - started) * 1000


def peak_rss_bytes() -> int:
    """Peak resident set size of this process, in bytes.

    VmHWM and not getrusage: after fork and exec ru_maxrss still counts the parent's memory.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM line")


def summary(values: Sequence[float]) -> Summary:
    """Median, smallest and largest of the values."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def time_steps(
    step: Callable[[int], object], warmup: int, steps: int, turns: Turns
) -> tuple[list[float], float]:
    """Runs `warmup` and then `steps` steps; `step(i)` returns only when its work is done.

    Returns the milliseconds of each timed step, and those from process start to the end of the first step.
    """
    first_step_ms = 0.0
    times: list[float] = []
    for index in range(warmup + steps):
        if index == warmup:
            turns.ready()
        if index >= warmup:
            turns.begin()
        began = time.perf_counter()
        step(index)
        ms = (time.perf_counter() - began) * 1000
        if index == 0:
            first_step_ms = milliseconds_since_process_start()
        if index >= warmup:
            times.append(ms)
            turns.end(ms)
    return times, first_step_ms


def step_report(images: int, times_ms: Sequence[float], first_step_ms: float) -> dict[str, Any]:
    """The report of a step benchmark in which `images` images were trained on in each step."""
    return {
        "imagesPerSec": summary([images * 1000 / ms for ms in times_ms]),
        "msPerStep": summary(times_ms),
        "peakRssBytes": peak_rss_bytes(),
        "startToFirstStepMs": first_step_ms,
    }


def print_json(report: dict[str, Any]) -> None:
    """Prints the report as the one JSON document on stdout."""
    json.dump(report, sys.stdout)
    print(flush=True)
