"""What a whole study costs, in evaluations of the dense model on the search examples, and what it finds.

    python -m benchmarks.study --model DIR --task sst2 --data DIR --epsilon 0.01

An evaluation is timed before and after the study, in processes of its own; the cache starts empty. Parts of a study
that another one of the same model would find in the cache are marked.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.command import Ran, module, optimize
from benchmarks.workload import add_workload_options, arguments_of

PARTS = {
    "load": "model, data, first answers",
    "baseline": "the dense model's answers",
    "bank": "moments, ranking, solves (kept in the cache)",
    "sensitivity": "divergence of single groups (kept in the cache)",
    "tables": "latency tables, where latency steers (kept in the cache)",
    "evaluate": "the candidates, racing included",
    "screen": "divergence of neighbours before they are proposed",
    "stitch": "building the smaller models",
    "search": "loop, sampler and store",
    "recover": "training of the shortlist, where asked for",
    "verify": "the shortlist on the verification examples",
    "measure": "latency, energy and memory of the shortlist",
}


def main() -> None:
    """Run one study, print its bill."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args()
    bill = run(options)
    if options.json:
        print(json.dumps(bill))
    else:
        show(bill, Console())


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run a study with an empty cache between two timings of the dense model, and return its bill."""
    with TemporaryDirectory() as scratch:
        before = module("benchmarks.dense", *arguments_of(options))
        study = optimize(
            *arguments_of(options), "--storage", f"sqlite:///{scratch}/studies.sqlite", "--cache-dir", scratch
        )
        after = module("benchmarks.dense", *arguments_of(options))
        bank_bytes = sum(path.stat().st_size for path in Path(scratch).rglob("*.safetensors"))
    return bill_of(before, after, study, bank_bytes)


def bill_of(before: Ran, after: Ran, study: Ran, bank_bytes: int) -> dict[str, Any]:
    """Return the figures: seconds and dense evaluations of every part, shares, memory, and the verified members."""
    result, unit = study.output, mean((before.output["seconds"], after.output["seconds"]))
    seconds = result["seconds"]
    evaluations = {name: value / unit for name, value in seconds.items()}
    answers = ("sensitivity", "screen", "evaluate", "verify")  # a model is made for each of them
    asked = sum(seconds.get(part, 0.0) for part in answers)
    return {
        "dense_evaluation_s": [before.output["seconds"], after.output["seconds"]],
        "examples": before.output["examples"],
        "candidates": result["candidates_evaluated"],
        "stopped_early": result["stopped_early"],
        "seconds": seconds,
        "cpu_s": study.cpu_s,
        "dense_evaluations": evaluations,
        "total_dense_evaluations": sum(evaluations.values()),
        "stitch_share": seconds["stitch"] / asked,
        "overhead_share": seconds["search"] / sum(seconds.values()),
        "peak_bytes": {"dense": max(before.peak_bytes, after.peak_bytes), "study": study.peak_bytes},
        "bank_bytes": bank_bytes,
        "peak_ratio": (study.peak_bytes - bank_bytes) / max(before.peak_bytes, after.peak_bytes),
        "verified": [m for m in result["front"] if m["verification"]["verdict"] in ("verified", "certified")],
    }


def show(bill: dict[str, Any], console: Console) -> None:
    """Print the bill."""
    parts = Table("part", "what", "seconds", "dense evaluations", title="What the study cost")
    for name, what in PARTS.items():
        if name in bill["seconds"]:
            evaluations = bill["dense_evaluations"][name]
            parts.add_row(name, what, f"{bill['seconds'][name]:.1f}", f"{evaluations:.1f}")
    parts.add_row("all", "", f"{sum(bill['seconds'].values()):.1f}", f"{bill['total_dense_evaluations']:.1f}")
    console.print(parts)
    first, last = bill["dense_evaluation_s"]
    peak = bill["peak_bytes"]
    console.print(f"one dense evaluation ({bill['examples']} examples): {first:.2f} s before, {last:.2f} s after")
    console.print(f"CPU time of the study: {bill['cpu_s']:.0f} s")
    console.print(f"candidates: {bill['candidates']}, {bill['stopped_early']['candidates']} of them stopped early")
    console.print(f"stitching: {bill['stitch_share']:.1%} of the time of the answers that the models are made for")
    console.print(f"loop, sampler and store: {bill['overhead_share']:.1%} of the study")
    console.print(
        f"peak memory: {peak['study'] / 1e9:.2f} GB, the dense evaluation alone {peak['dense'] / 1e9:.2f} GB, "
        f"the bank on disk {bill['bank_bytes'] / 1e9:.2f} GB"
    )
    found = Table("FLOPs", "drop", "verdict", "latency ratios by batch", title="Verified members, cheapest first")
    for member in sorted(bill["verified"], key=lambda m: m["flops_ratio"]):
        ratios = ", ".join(f"{timed['batch']}: {timed['ratio']:.2f}" for timed in member["latency"])
        check = member["verification"]
        found.add_row(f"{member['flops_ratio']:.3f}", f"{check['drop']:+.4f}", check["verdict"], ratios)
    console.print(found)


if __name__ == "__main__":
    main()
