"""Labels bought for a real study: `python -m benchmarks.purchase --model DIR --data DIR --out DIR`.

A head learns from half of train's sentences, each phrase with its sentence. The phrases of the other half are a stock
of texts without labels, on which errors come in clusters, one per sentence. A study prunes the model; then labels are
bought through the files that a person would fill in, with the true ones. All are known, so the true drop on the whole
stock stands beside what is certified. Other options go to `optimize`; what is finished in `--out` is kept.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table as Printed

from benchmarks.command import optimize
from objectives.measurement import Measurement
from objectives.statistics import certifies
from optimizer.certify.sequence import Plan, disagreements_of
from optimizer.tasks.texts.held_out import held_out
from optimizer.tasks.texts.splits import normal
from optimizer.tasks.texts.table import Table
from studies.opening import open_store
from studies.purchases import UNANSWERED, Answer, Purchase

STUDY, SPLITS = "purchase", ("validation", "test")
BATCH = 100


def main() -> None:
    """Cut the data, run the study, buy labels, and print a row for every member that they are bought for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a directory with train, validation and test.parquet")
    parser.add_argument("--text-column", default="sentence")
    parser.add_argument("--most", type=int, default=1500, help="labels to buy at most")
    parser.add_argument("--out", type=Path, required=True, help="a directory for the cut data and the study")
    options, others = parser.parse_known_args()
    out: Path = options.out
    labels = labels_of(cut(options.data, options.text_column, out), options.text_column)
    place = ["--storage", f"sqlite:///{out / 'studies.sqlite'}", "--cache-dir", str(out / "cache")]
    with closing(open_store(place[1])) as store:
        known = {each.slug: len(store.purchases(each.id)) for each in store.studies()}
    if STUDY not in known:
        optimize(*others, "--task", "own", "--data", str(out / "data"), "--study", STUDY, *place)
    texts = [] if known.get(STUDY) else ["--texts", str(out / "stock.csv")]
    standing = buy(labels, options.text_column, options.most, out, texts, place)
    with closing(open_store(place[1])) as store:
        study = store.study(STUDY)
        purchase, candidates = store.purchases(study.id)[-1], store.candidates(study.id)
    shares = {c.number: flops_of(c.measurements) / flops_of(study.baseline) for c in candidates}
    table = Printed("member", "FLOPs", "certified", "labels", "of", "drop at most", "true drop", "labels, tried alone")
    for member in standing["members"]:
        number = member["candidate"]
        counts = [f"{member[name]:,}" for name in ("labels", "disagreements")]
        bounds = [f"{member['upper']:.4f}", f"{true_drop(purchase, number, labels):.4f}"]
        alone = labels_alone(purchase, number, labels)
        table.add_row(f"#{number}", f"{shares[number]:.3f}", str(member["certified"]), *counts, *bounds, alone)
    Console().print(table)


def flops_of(measured: Sequence[Measurement]) -> float:
    """Return the FLOPs of an inference."""
    return next(each.value for each in measured if each.quantity == "flops")


def key_of(*texts: str) -> str:
    """Return texts as they are compared."""
    return "\n".join(normal(texts))


def labels_of(stock: pd.DataFrame, column: str) -> dict[str, int]:
    """Return the label of each text."""
    return {key_of(text): label for text, label in zip(stock[column], stock["label"], strict=True)}


def cut(data: Path, column: str, out: Path) -> pd.DataFrame:
    """Write the half of train that is learned from, beside the other splits, and the stock; return that with labels."""
    kept = out / "stock.parquet"
    if kept.exists():
        return pd.read_parquet(kept)
    train = pd.read_parquet(data / "train.parquet")
    table = Table(tuple((text,) for text in train[column]), train["label"].to_numpy(), ())
    halves = held_out(table, len(table), one_in=2)
    if halves is None:
        raise SystemExit("train has too few texts that no other contains")
    learned = {normal(texts) for texts in halves[1].texts}
    others = {split: pd.read_parquet(data / f"{split}.parquet") for split in SPLITS}
    known = learned.union(*(map(normal, zip(other[column])) for other in others.values()))
    is_learned = np.array([normal(texts) in learned for texts in table.texts])
    is_fresh = np.array([normal(texts) not in known for texts in table.texts])
    (out / "data").mkdir(parents=True, exist_ok=True)
    train[is_learned].to_parquet(out / "data" / "train.parquet")
    for split, other in others.items():
        other.to_parquet(out / "data" / f"{split}.parquet")
    stock = train[is_fresh][[column, "label"]]
    stock = stock[~stock[column].map(lambda text: normal((text,))).duplicated()]
    stock[[column]].to_csv(out / "stock.csv", index=False)
    stock.to_parquet(kept)
    return stock


def buy(
    labels: Mapping[str, int], column: str, most: int, out: Path, texts: Sequence[str], place: Sequence[str]
) -> Any:  # Any: JSON data
    """Buy labels file by file until the sequence ends or so many are bought; return the last standing."""
    given, bought = texts, 0
    while True:
        file = out / f"labels-{len([*out.glob('labels-*.csv')]) + 1}.csv"
        standing = optimize("certify", STUDY, *given, "--batch", str(BATCH), "--to", str(file), *place).output
        if not standing["file"] or bought >= most:
            return standing
        rows = pd.read_csv(file, dtype=str, keep_default_na=False)
        rows["label"] = [standing["classes"][labels[key_of(text)]] for text in rows[column]]
        rows.to_csv(file, index=False)
        bought, given = bought + len(rows), ["--labels", str(file)]


def labels_alone(purchase: Purchase, member: int, labels: Mapping[str, int]) -> str:
    """Return how many labels certify a member that is tried alone, in hundreds, or that all of them do not."""
    plan = Plan.of(purchase)
    unlabelled = [replace(text, answer=UNANSWERED) for text in purchase.texts]
    places = [at for at, text in enumerate(unlabelled) if plan.disagreement(text, member)]
    for start in range(0, len(places), BATCH):
        for place in places[start : start + BATCH]:
            text = unlabelled[place]
            label = labels[key_of(*text.content)]
            unlabelled[place] = replace(text, answer=Answer(label, label if text.is_checked else None))
        seen = disagreements_of(member, [replace(purchase, texts=tuple(unlabelled))])
        if certifies(seen, plan.epsilon, plan.alpha):
            return f"{min(start + BATCH, len(places)):,}"
    return "never"


def true_drop(purchase: Purchase, member: int, labels: Mapping[str, int]) -> float:
    """Return what a member loses on the whole stock."""
    place = Plan.of(purchase).members.index(member)
    right = [labels[key_of(*text.content)] for text in purchase.texts]
    pairs = [(text.dense, text.answers[place]) for text in purchase.texts]
    lost = sum((dense == label) - (answer == label) for (dense, answer), label in zip(pairs, right, strict=True))
    return lost / Plan.of(purchase).texts


if __name__ == "__main__":
    main()
