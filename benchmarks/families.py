"""What can be pruned of a family of image networks: its groups, their share of the FLOPs, the CPU time to find them.

    python -m benchmarks.families torchvision:convnext_tiny transformers:swin timm:mobilevit_xs

Random weights, two random images, one thread; prints one row of a Markdown table per network. A network with a row is
proved by it, any other one is traced. timm is no dependency of this project: `pip install timm` first.
"""

from __future__ import annotations

import argparse
import importlib
import time
from typing import Any

import torch
from torch import nn

from objectives.networks import count_network_flops
from optimizer.families.networks.classifier import ImageClassifier
from optimizer.torchvision_ops import admit_torchvision
from search_spaces.groups import config_of
from search_spaces.layouts.layout import Layout, UnprunableModelError
from search_spaces.layouts.named import has_row, named_layout
from search_spaces.layouts.proof import prove
from search_spaces.layouts.traced.discover import discover_channels
from search_spaces.transforms.units.materialize import outline

SIDE = 224  # pixels, of networks that name no size


def main() -> None:
    """Print a row for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="LIBRARY:NAME", help="of torchvision, transformers or timm")
    torch.set_num_threads(1)
    admit_torchvision()
    for name in parser.parse_args().names:
        torch.manual_seed(0)
        network, side = made(*name.split(":"))
        print(f"| {name} | {found(network.eval(), torch.randn(2, 3, side, side))} |", flush=True)


def made(library: str, name: str) -> tuple[nn.Module, int]:
    """Return a network with random weights and the side of its images in pixels."""
    if library == "torchvision":
        from torchvision import models

        network: nn.Module = models.get_model(name)
        return network, SIDE
    if library == "timm":
        sized: Any = importlib.import_module("timm").create_model(name)
        return sized, sized.default_cfg["input_size"][-1]
    from transformers import AutoConfig, AutoModelForImageClassification

    config = AutoConfig.for_model(name)
    known: Any = AutoModelForImageClassification
    side = getattr(config, "image_size", SIDE)
    network = known.from_config(config, attn_implementation="eager")
    return network, side if isinstance(side, int) else SIDE


def found(network: nn.Module, images: torch.Tensor) -> str:
    """Return the groups, the share of FLOPs that goes at their least widths, the seconds, and what stays dense."""
    by_row = has_row(network, "pixels")
    model: Any = network if by_row else ImageClassifier(network)
    started = time.process_time()
    try:
        layout = rowed(model, images) if by_row else discover_channels(model, {"pixel_values": images})
    except UnprunableModelError as error:
        return f"refused after {time.process_time() - started:.1f} s: {error}"
    seconds = time.process_time() - started
    small = outline(model, layout, config_of(layout.groups, {group.name: 0 for group in layout.groups}))
    one = {"pixel_values": images[:1]}
    share = 1 - count_network_flops(small, one) / count_network_flops(model, one)
    return f"{len(layout.groups)} | {share:.2f} | {seconds:.1f} s | {len(layout.dense)} layers"


def rowed(model: nn.Module, images: torch.Tensor) -> Layout:
    """Return the layout by the row of the architecture, proved."""
    layout = named_layout(model)
    prove(model, layout, [{"pixel_values": images}])
    return layout


if __name__ == "__main__":
    main()
