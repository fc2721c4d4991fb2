"""Whole studies of networks given in Python: trained, pruned, exported, loaded back, their accuracy computed again.

    python -m benchmarks.given swin mobilevit timm:mobilenetv3_small_050 timm:convnextv2_atto

Small networks on scikit-learn's digits, enlarged to 32×32 pixels in three channels; prints one row of a Markdown table
per network. timm is no dependency of this project: `pip install timm` first.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from optimizer import ImageData, Images, Normalisation, StudySpec, export_candidate, load_images, load_pruned, optimize
from optimizer.torchvision_ops import admit_torchvision
from studies.opening import open_store

SIDE = 32  # pixels
CLASSES = 10
BATCH = 64


def main() -> None:
    """Print a row for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME", help="swin, mobilevit or timm:NAME")
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=10)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    admit_torchvision()
    images = enlarged(load_images("digits"))
    for name in asked.names:
        torch.manual_seed(0)
        network = made(name)
        train(network, images.train, asked.epochs)
        print(f"| {name} | {studied(network, name, images, asked.trials)} |", flush=True)


def enlarged(images: ImageData) -> ImageData:
    """Return images of more pixels in three equal channels."""

    def larger(part: Images) -> Images:
        pixels = nn.functional.interpolate(part.pixels, size=(SIDE, SIDE), mode="bilinear")
        return Images(pixels.expand(-1, 3, -1, -1).contiguous(), part.labels)

    grey = images.normalisation
    return ImageData(
        name="digits32",
        shape=(3, SIDE, SIDE),
        classes=CLASSES,
        train=larger(images.train),
        test=larger(images.test),
        normalisation=Normalisation(grey.mean * 3, grey.spread * 3),
    )


def made(name: str) -> Any:
    """Return a small network of ten classes with random weights."""
    library, _, model = name.partition(":")
    if library == "timm":
        timm: Any = importlib.import_module("timm")
        return timm.create_model(model, num_classes=CLASSES)
    if name == "swin":
        from torchvision.models import SwinTransformer

        return SwinTransformer([2, 2], 32, [2, 2], [2, 4], [4, 4], num_classes=CLASSES)
    from transformers import AutoConfig, AutoModelForImageClassification

    sizes = {"hidden_sizes": [32, 40, 48], "neck_hidden_sizes": [16, 16, 24, 32, 40, 48, 96], "num_attention_heads": 2}
    config = AutoConfig.for_model("mobilevit", image_size=SIDE, output_stride=8, num_labels=CLASSES, **sizes)
    known: Any = AutoModelForImageClassification
    return known.from_config(config, attn_implementation="eager")


def train(network: nn.Module, images: Images, epochs: int) -> None:
    """Train the network a little, at a rate that rises and falls once."""
    adam = torch.optim.AdamW(network.parameters())
    each = range(0, len(images), BATCH)
    batches = [order[i : i + BATCH] for order in (torch.randperm(len(images)) for _ in range(epochs)) for i in each]
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, 3e-3, total_steps=len(batches))
    network.train()
    for places in batches:
        adam.zero_grad()
        loss = nn.functional.cross_entropy(answer(network, images.pixels[places]), images.labels[places])
        torch.autograd.backward(loss)
        adam.step()
        rate.step()
    network.eval()


def answer(network: nn.Module, pixels: Tensor) -> Tensor:
    """Return the logits, also of transformers' outputs."""
    found = network(pixels)
    logits: Tensor = getattr(found, "logits", found)
    return logits


def studied(network: nn.Module, name: str, images: ImageData, trials: int) -> str:
    """Return the figures of a study, and of its cheapest member loaded from its export."""
    named = {"model": name.replace(":", "-"), "task": images.name, "epsilon": 0.02, "trials": trials, "threads": 1}
    spec = StudySpec.model_validate(
        {**named, "batch_sizes": (1, 32), "calibration_examples": 256, "measure_seconds": 0.3}
    )
    started = time.process_time()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        store = open_store(f"sqlite:///{root}/s.sqlite")
        given: dict[str, Any] = {"model": network, "images": images}
        result = optimize(spec, store=store, cache_dir=root, **given)
        seconds = time.process_time() - started
        if not result.front:
            return f"{result.why_empty}"
        best = min(result.front, key=lambda member: member.flops_ratio)
        export_candidate(store, store.study(result.study), best.candidate, root / "small", cache_dir=root, **given)
        small = load_pruned(root / "small", into=partial(copy.deepcopy, network))
    with torch.inference_mode():
        right = (answer(small, images.test.pixels).argmax(1) == images.test.labels).float().mean()
    checked = best.verification
    return (
        f"{result.baseline.verification_accuracy:.3f} | {len(best.config)} | {best.flops_ratio:.2f} | "
        f"{checked.accuracy:.3f}, {checked.verdict} | {float(right):.3f} | {seconds:.0f} s"
    )


if __name__ == "__main__":
    main()
