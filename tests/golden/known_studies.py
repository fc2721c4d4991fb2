"""Small studies whose outcomes are kept in this folder; `python tests/golden/known_studies.py` writes them again.

Write them again only for a change that is meant to change figures, and say so in its commit.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # run as a program, it needs the helpers beside the tests

from optimizer.torchvision_ops import admit_torchvision  # noqa: E402

admit_torchvision()

import torch  # noqa: E402
from prunable_models import bank_of  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from tiny_checkpoints import save_data, save_tiny, sentences, tokenizer  # noqa: E402
from tiny_encoders import FAMILIES  # noqa: E402

from optimizer import load_pruned  # noqa: E402
from optimizer.handover.export import export_candidate  # noqa: E402
from optimizer.run import optimize  # noqa: E402
from optimizer.spec import StudySpec  # noqa: E402
from studies.opening import open_store  # noqa: E402
from studies.store import StudyStore  # noqa: E402

SIZES = {"train": 300, "validation": 260, "test": 240}
LEVEL = 2  # units at which solved weights are kept
COMMON = {"trials": 12, "batch_sizes": (1,), "measure_seconds": 0.05, "threads": 1}
DIGITS = {**COMMON, "model": "mlp-small", "task": "digits", "epsilon": 0.05, "round_to": 1, "calibration_examples": 200}


def encoder_study(root: Path) -> StudySpec:
    """Return the spec of a study of a tiny encoder, whose model and data are written below `root`."""
    save_tiny(root / "model")
    save_data(root / "data", root / "model", SIZES)
    places = {"model": str(root / "model"), "data": str(root / "data")}
    return StudySpec.model_validate({**COMMON, **places, "task": "colours", "epsilon": 0.2, "calibration_examples": 64})


def digits_study() -> StudySpec:
    """Return the spec of a study of a small network of images."""
    return StudySpec.model_validate(DIGITS)


def run(spec: StudySpec, root: Path, slug: str) -> StudyStore:
    """Return the store of the study once it is finished."""
    store = open_store(f"sqlite:///{root}/{slug}.sqlite")
    optimize(spec, store=store, cache_dir=root / "cache", study=slug)
    return store


def outcome(store: StudyStore, slug: str) -> list[dict[str, Any]]:
    """Return what was proposed and found, apart from times."""
    return [
        {
            "config": json.loads(c.config.canonical_json()),
            "digest": c.config.digest,
            "state": c.state,
            "drop": c.outcome and c.outcome.drop,
            "flops": next((round(m.value, 3) for m in c.measurements if m.quantity == "flops"), None),
            "verified": c.verification and c.verification.drop,
        }
        for c in store.candidates(store.study(slug).id)
    ]


def bank_numbers(root: Path, family: str) -> dict[str, torch.Tensor]:
    """Return orders, and weights solved at one level, of every group of a tiny encoder."""
    _, groups, bank = bank_of(root, family)
    numbers = {}
    for group in groups:
        weight, bias = bank.solved(group, LEVEL)
        numbers |= {f"{family}.{group.name}.order": bank.order(group)}
        numbers |= {f"{family}.{group.name}.weight": weight, f"{family}.{group.name}.bias": bias}
    return {name: tensor.clone() for name, tensor in numbers.items()}


def answers(directory: Path) -> torch.Tensor:
    """Return the logits of an exported encoder for some texts."""
    texts = tokenizer()(sentences(5, seed=3), padding=True, return_tensors="pt", return_token_type_ids=False)
    with torch.inference_mode():
        logits: torch.Tensor = load_pruned(directory)(**texts).logits
    return logits


def _write(root: Path) -> None:
    (root / "encoder").mkdir()
    encoder, digits = run(encoder_study(root), root, "encoder"), run(digits_study(), root, "digits")
    before = json.loads((HERE / "outcomes.json").read_text())["old database"]
    found = {"encoder": outcome(encoder, "encoder"), "digits": outcome(digits, "digits"), "old database": before}
    (HERE / "outcomes.json").write_text(json.dumps(found, indent=1) + "\n")
    export = HERE / "old_export"
    export_candidate(encoder, encoder.study("encoder"), 2, export, cache_dir=root / "cache")
    banks = [bank_numbers(root / family, family) for family in FAMILIES]
    numbers = {name: tensor for bank in banks for name, tensor in bank.items()}
    save_file({**numbers, "export.logits": answers(export)}, HERE / "numbers.safetensors")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        _write(Path(directory))
