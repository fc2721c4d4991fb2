"""What a step of training takes in float32 and in bfloat16, with channels first and last, on one thread.

    python -m benchmarks.training_steps [--models vgg16,resnet18] [--batch 32] [--rounds 7]

A step is forward, backward and fused Adam on images of 1×28×28. All kinds take turns; medians of processor time.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from optimizer.families.networks.models import new_model
from optimizer.tasks.images.examples import PIXELS
from optimizer.training.energy import adam
from optimizer.training.images import ImageLoss
from optimizer.training.learner import Learner

SHAPE, CLASSES = (1, 28, 28), 10
PRECISIONS = (torch.float32, torch.bfloat16)
LAYOUTS = {"first": torch.contiguous_format, "last": torch.channels_last}


def main() -> None:
    """Print a line for every kind of step of every model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="vgg16,resnet18")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.models.split(","):
        for (dtype, layout), seconds in times(name, options.batch, options.rounds).items():
            print(f"{name}, batch {options.batch}, {dtype}, channels {layout}: {seconds:.3f} s", flush=True)


def times(name: str, batch: int, rounds: int) -> dict[tuple[torch.dtype, str], float]:
    """Return the median seconds of a step by precision and layout."""
    steps = {}
    for dtype in PRECISIONS:
        for layout, memory in LAYOUTS.items():
            model = new_model(name, SHAPE, CLASSES, seed=0).to(memory_format=memory)  # type: ignore[call-overload]
            learner = Learner(model, loss=ImageLoss(), optimizer=adam(model, 1e-4), dtype=dtype)
            learner.train()
            images = torch.randn(batch, *SHAPE).contiguous(memory_format=memory)
            steps[dtype, layout] = learner, {PIXELS: images, "labels": torch.arange(batch) % CLASSES}
            learner.step(steps[dtype, layout][1])
    taken: dict[tuple[torch.dtype, str], list[float]] = {kind: [] for kind in steps}
    for _ in range(rounds):
        for kind, (learner, images_and_labels) in steps.items():
            began = time.process_time()
            learner.step(images_and_labels)
            taken[kind].append(time.process_time() - began)
    return {kind: float(np.median(seconds)) for kind, seconds in taken.items()}


if __name__ == "__main__":
    main()
