"""How much longer an analysis takes than the inferences that it is asked for, with and without its plots.

    python -m benchmarks.analyses --inferences 200

Seconds are wall time, CPU seconds those of the analysis' own process: on a machine that others use only these compare.
Thirty small convolutional networks, five distributions at six ratios, and the unpruned one are measured at five batch
sizes by `optimize analyze`, each in a process of its own. The inferences asked for are those of all networks, at the
median time that the analysis found of each; what comes on top is the start, warm-up, the unpruned network beside every
sixteen others, energy, the tables and the plots.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import torch

from benchmarks.command import optimize

DISTRIBUTIONS, RATIOS = range(1, 6), (10, 25, 40, 50, 60, 75)
WIDTHS, BATCHES = (32, 64), (1, 8, 16, 32, 64)
MODULE = """
from torch import nn
def build():
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(256, 10),
    )
"""


def weights(first: int, second: int) -> dict[str, torch.Tensor]:
    """Return the weights of the network with these widths."""
    shapes = {"0": (first, 3, 3, 3), "3": (second, first, 3, 3), "7": (10, 4 * second)}
    return {
        f"{layer}.{part}": torch.randn(shape if part == "weight" else shape[:1])
        for layer, shape in shapes.items()
        for part in ("weight", "bias")
    }


def write_networks(folder: Path) -> None:
    """Write the networks, named as `optimize analyze` reads them."""
    (folder / "net.py").write_text(MODULE)
    torch.save(weights(*WIDTHS), folder / "NET_NOISE_UNPRUNED.pth")
    for distribution in DISTRIBUTIONS:
        for ratio in RATIOS:
            tilt = (distribution - 3) * 0.05
            kept = [
                max(1, round(width * (1 - ratio / 100 + each)))
                for width, each in zip(WIDTHS, (tilt, -tilt), strict=True)
            ]
            torch.save(weights(*kept), folder / f"NET_NOISE_random_PD{distribution}_GPR-{ratio}_x.pth")


def main() -> None:
    """Print one JSON object: the seconds of the inferences asked for and of both analyses, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inferences", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_networks(folder)
        given = ["analyze", str(folder), "--module", f"{folder / 'net.py'}:build", "--input", "3x32x32"]
        given += ["--inferences", str(asked.inferences), "--threads", str(asked.threads)]
        given += [part for batch in BATCHES for part in ("--batch-size", str(batch))]
        found = {}
        for name, options in {"without_plots": ["--no-plots"], "with_plots": []}.items():
            ran = optimize(*given, "--output", str(folder / name), *options)
            rows = ran.output["models"]
            of_inferences = sum(row["seconds"] * asked.inferences for row in rows)
            found[name] = {
                "seconds": ran.seconds, "cpu_s": ran.cpu_s, "inferences_s": of_inferences, "measurements": len(rows),
                "ratio": ran.seconds / of_inferences, "cpu_ratio": ran.cpu_s / of_inferences,
            }  # fmt: skip
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
