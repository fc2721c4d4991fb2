"""Whether a large model fits: a randomly initialised one through a whole short study, or its layer bank alone.

    python -m benchmarks.large --model DIR --task sst2 --data DIR --trials 20 --architecture modernbert
    python -m benchmarks.large --model DIR --task sst2 --data DIR --bank --architecture bert-large

`--model` is a local checkpoint and gives the tokenizer alone. What such a model answers means nothing; what it costs
does.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.command import module
from benchmarks.study import run, show
from benchmarks.workload import add_workload_options, arguments_of

SHAPES: Mapping[str, Mapping[str, Any]] = {  # Any: fields of transformers' configurations; the default is base size
    "bert": {},
    "bert-large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
    "bert-1b": {  # 1.07 billion parameters
        "hidden_size": 1536,
        "num_hidden_layers": 36,
        "num_attention_heads": 24,
        "intermediate_size": 6144,
    },
    "modernbert": {},
    "deberta-v2": {  # DeBERTa-v3-base (He et al. 2023, table 6)
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "relative_attention": True,
        "position_buckets": 256,
        "pos_att_type": ["p2c", "c2p"],
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "position_biased_input": False,
        "type_vocab_size": 0,
    },
}


def main() -> None:
    """Make the checkpoint, run the study, print its bill."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    parser.set_defaults(trials=20)
    parser.add_argument("--architecture", choices=SHAPES, default="bert", help="shape of the random model")
    parser.add_argument("--bank", action="store_true", help="fill the layer bank alone, and print its peak memory")
    parser.add_argument("--ranked", help="with --bank: groups to rank; default: all")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args()
    with TemporaryDirectory() as directory:
        save_untrained(Path(directory), tokenizer=options.model, architecture=options.architecture)
        options.model, options.allow_untrained = directory, True
        if options.bank:
            ranked = ["--ranked", options.ranked] if options.ranked else []
            bill = module("benchmarks.bank", *arguments_of(options), *ranked).output
        else:
            bill = run(options)
    if options.json:
        print(json.dumps(bill))
    elif options.bank:
        show_bank(bill, Console())
    else:
        show(bill, Console())


def show_bank(bill: Mapping[str, Any], console: Console) -> None:
    """Print what a bank takes."""
    table = Table("stage", "seconds", "processor seconds", "peak MB", title="Memory of the layer bank")
    for name, stage in bill["stages"].items():
        figures = (f"{stage['seconds']:.0f}", f"{stage['cpu_s']:.0f}", f"{stage['peak_bytes'] / 1e6:.0f}")
        table.add_row(name, *figures)
    console.print(table)
    console.print(
        f"weights {bill['weights_bytes'] / 1e6:.0f} MB, what one layer reads of the {bill['calibration_tokens']} "
        f"calibration tokens {bill['states_bytes'] / 1e6:.0f} MB, Python with its libraries "
        f"{bill['interpreter_bytes'] / 1e6:.0f} MB"
    )
    console.print(
        f"the bank's peak is {bill['ratio']:.2f} times the weights, "
        f"without Python and its libraries {bill['ratio_without_interpreter']:.2f} times"
    )


def save_untrained(directory: Path, *, tokenizer: str, architecture: str) -> None:
    """Save a model of a shape with random weights and another model's tokenizer."""
    import torch

    from optimizer.torchvision_ops import admit_torchvision

    admit_torchvision()
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(0)
    words = AutoTokenizer.from_pretrained(tokenizer)
    labels = AutoConfig.from_pretrained(tokenizer)
    config = AutoConfig.for_model(
        "bert" if architecture.startswith("bert-") else architecture,
        vocab_size=len(words),
        id2label=labels.id2label,
        label2id=labels.label2id,
        **dict.fromkeys(("bos_token_id", "cls_token_id"), words.cls_token_id),
        **dict.fromkeys(("eos_token_id", "sep_token_id"), words.sep_token_id),
        pad_token_id=words.pad_token_id,
        **SHAPES[architecture],
    )
    model: Any = AutoModelForSequenceClassification  # untyped
    model.from_config(config).save_pretrained(directory)
    words.save_pretrained(directory)


if __name__ == "__main__":
    main()
