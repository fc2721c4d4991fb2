"""Whether a model of 110 million parameters fits: a randomly initialised bert-base shape through a whole short study.

    python -m benchmarks.large --model DIR --task sst2 --data DIR --trials 20

`--model` is a local checkpoint and gives the tokenizer alone. What such a model answers means nothing; what it costs
does.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from benchmarks.study import run, show
from benchmarks.workload import add_workload_options


def main() -> None:
    """Make the checkpoint, run the study, print its bill."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    parser.set_defaults(trials=20)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args()
    with TemporaryDirectory() as directory:
        save_untrained(Path(directory), tokenizer=options.model)
        options.model, options.allow_untrained = directory, True
        bill = run(options)
    if options.json:
        print(json.dumps(bill))
    else:
        show(bill, Console())


def save_untrained(directory: Path, *, tokenizer: str) -> None:
    """Save a bert-base with random weights and another model's tokenizer."""
    import torch

    from optimizer.torchvision_ops import admit_torchvision

    admit_torchvision()
    from transformers import AutoConfig, AutoTokenizer, BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    words = AutoTokenizer.from_pretrained(tokenizer)
    labels = AutoConfig.from_pretrained(tokenizer)
    config = BertConfig(vocab_size=len(words), id2label=labels.id2label, label2id=labels.label2id)
    BertForSequenceClassification(config).save_pretrained(directory)
    words.save_pretrained(directory)


if __name__ == "__main__":
    main()
