"""How well the ratio of two models is known: one pair measured over and over beside a busy neighbour.

    python -m benchmarks.pairs [--repeats 40] [--seconds 60] [--burners 1] [--threads 1] [--models mlp,conv] [--json]

Every measurement takes fresh copies, because copies of one model differ a little. A pair is a network and its copy, or
a network and one of half the width. The must: at least 95 % of the ratios within 3 % of their median, an equal pair
called a gain at most twice in forty, at most a second per member beside the inferences. What is beside them is given in
processor time too: of elapsed time, waiting for a processor that neighbours have is a part.
"""

from __future__ import annotations

import argparse
import copy
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from objectives.latency import measure_latency
from objectives.repeats import half_width, is_gain
from optimizer.torchvision_ops import admit_torchvision

admit_torchvision()

from transformers import BertConfig, BertModel  # noqa: E402  # after torchvision is admitted

PAIR, WITHIN = 2, 0.03
Make = Callable[[int], nn.Module]  # of a width


class Counted(nn.Module):
    """A network that counts the seconds of its inferences, elapsed ones and those of the processor."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.seconds, self.computed = network, 0.0, 0.0

    def forward(self, inputs: Tensor) -> Any:
        """Answer as the network does."""
        began, used = time.perf_counter(), time.thread_time()
        answer = self.network(inputs)
        self.computed += time.thread_time() - used
        self.seconds += time.perf_counter() - began
        return answer


def mlp(width: int) -> nn.Module:
    sizes = (784, 16 * width, 16 * width, 10)
    layers = [nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(sizes)]
    return nn.Sequential(*layers)


def conv(width: int) -> nn.Module:
    sizes = (3, 2 * width, 4 * width, 8 * width)
    layers = [
        nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2))
        for a, b in pairwise(sizes)
    ]
    return nn.Sequential(*layers)


def encoder(width: int) -> nn.Module:
    model: nn.Module = BertModel(
        BertConfig(
            vocab_size=8000,
            hidden_size=384,
            num_hidden_layers=6,
            num_attention_heads=12,
            intermediate_size=48 * width,
        )
    )
    return model


NETWORKS: dict[str, tuple[Make, Callable[[], Tensor]]] = {
    "mlp": (mlp, lambda: torch.randn(1, 784)),
    "conv": (conv, lambda: torch.randn(1, 3, 64, 64)),
    "encoder": (encoder, lambda: torch.randint(0, 8000, (1, 25))),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=60.0, help="at most, per measurement")
    parser.add_argument("--burners", type=int, default=1, help="busy processes beside")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--models", default=",".join(NETWORKS))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.json:
        print(f"{os.cpu_count()} processors, load average before: {os.getloadavg()[0]:.1f}\n")
        print("| pair | median ratio | within 3 % of it | widest | gains | s, mean (most) | beside, s | CPU s (most) |")
        print("|---|--:|--:|--:|--:|--:|--:|--:|")
    with burning(options.burners):
        for name in options.models.split(","):
            for other, width in (("its copy", 32), ("half as wide", 16)):
                print_row(f"{name}, {other}", name, width, options)


def print_row(title: str, name: str, width: int, options: argparse.Namespace) -> None:
    """Measure a pair over and over and print what came of it."""
    found = [measured(name, width, seed, options.seconds, options.threads) for seed in range(options.repeats)]
    ratios, seconds = np.array([each["ratio"] for each in found]), np.array([each["seconds"] for each in found])
    off = np.abs(ratios / np.median(ratios) - 1)
    if options.json:
        print(json.dumps({"pair": title, "measured": found}), flush=True)
        return
    print(
        f"| {title} | {np.median(ratios):.3f} | {np.mean(off <= WITHIN):.1%} | {off.max():.1%} | "
        f"{sum(each['gain'] for each in found)} of {len(found)} | {seconds.mean():.1f} ({seconds.max():.1f}) | "
        f"{np.mean([each['beside'] for each in found]) / PAIR:.3f} | "
        f"{np.mean([each['computed'] for each in found]) / PAIR:.3f} "
        f"({max(each['computed'] for each in found) / PAIR:.3f}) |",
        flush=True,
    )


def measured(name: str, width: int, seed: int, seconds: float, threads: int) -> dict[str, float]:
    """Measure fresh copies of a pair once."""
    make, inputs = NETWORKS[name]
    torch.manual_seed(seed)
    dense = make(32)
    other = copy.deepcopy(dense) if width == 32 else make(width)
    pair = {"dense": Counted(dense), "other": Counted(other)}
    request = inputs()
    began, used = time.perf_counter(), time.thread_time()
    result = measure_latency(
        pair,
        lambda _: {"inputs": request},
        dense="dense",
        batch=1,
        rng=np.random.default_rng(seed),
        seconds=seconds,
        threads=threads,
    )["other"]
    taken, computed = time.perf_counter() - began, time.thread_time() - used
    assert result.ratio.interval is not None
    return {
        "ratio": result.ratio.value,
        "half_width": half_width(result.ratio.interval),
        "gain": is_gain(result.ratio, comparisons=1),
        "rounds": result.ratio.n,
        "interrupted": float(str(result.absolute.conditions["interrupted"])),
        "seconds": taken,
        "beside": taken - sum(model.seconds for model in pair.values()),
        "computed": computed - sum(model.computed for model in pair.values()),
    }


@contextmanager
def burning(burners: int) -> Iterator[None]:
    """Keep so many processors busy inside."""
    processes = [multiprocessing.get_context("spawn").Process(target=burn, daemon=True) for _ in range(burners)]
    for each in processes:
        each.start()
    try:
        yield
    finally:
        for each in processes:
            each.terminate()


def burn() -> None:
    while True:
        pass


if __name__ == "__main__":
    main()
