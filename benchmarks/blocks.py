"""What a layer takes at neighbouring widths of a side, and whether the latency table finds blocks of channels in it.

    python -m benchmarks.blocks [--rounds 60]

One thread, batch 1; medians of processor time of passes that take turns.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from torch import nn

from optimizer.latency.steps import step_of

WIDTHS = range(16, 65, 4)
LAYERS = {
    "3×3 of 64 on 28×28": (nn.Conv2d(64, 64, 3, padding=1), 28),
    "3×3 of 64 on 14×14": (nn.Conv2d(64, 64, 3, padding=1), 14),
    "1×1 of 64 on 28×28": (nn.Conv2d(64, 64, 1), 28),
}


def main() -> None:
    """Print the microseconds of every layer at every width of its outputs and of its inputs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    with torch.inference_mode():
        for name, (layer, side) in LAYERS.items():
            for written in (True, False):
                show(name, layer, side, rounds=rounds, written=written)


def show(name: str, layer: nn.Conv2d, side: int, *, rounds: int, written: bool) -> None:
    """Time a layer at all widths of one side."""
    made = {}
    for width in WIDTHS:
        reads, writes = (64, width) if written else (width, 64)
        narrow = nn.Conv2d(reads, writes, layer.kernel_size, padding=layer.padding).eval()  # type: ignore[arg-type]
        made[width] = narrow, torch.randn(1, reads, side, side)
    taken: dict[int, list[float]] = {width: [] for width in made}
    rng = np.random.default_rng(0)
    for _ in range(rounds):
        for width in rng.permutation(list(made)):
            narrow, images = made[int(width)]
            narrow(images)
            began = time.process_time()
            narrow(images)
            taken[int(width)].append(time.process_time() - began)
    samples = {width: np.array(seconds) for width, seconds in taken.items()}
    step = step_of(layer, (*range(8, 64, 8), 64), lambda _: lambda: None, lambda runs: {w: samples[w] for w in runs})
    said = ", ".join(f"{width}: {1e6 * np.median(each):.0f}" for width, each in samples.items())
    print(f"{name}, channels {'written' if written else 'read'}, steps of {step}; microseconds {said}", flush=True)


if __name__ == "__main__":
    main()
