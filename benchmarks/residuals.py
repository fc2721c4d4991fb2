"""Low rank beside pruned units: is it a better use of the same FLOPs than more units?

    python -m benchmarks.residuals --model DIR --task sst2 --data DIR [--shares 0.5 0.25] [--cache-dir DIR]

FFNs: a product of low rank beside the kept neurons, fitted to what these leave of the dense layer's output, against as
many neurons more as the rank, which multiply as much. Heads: all of them, the products of queries with keys and of
values with outputs of a lower rank, the outputs solved again, against fewer heads of full rank. All is fitted on
calibration examples, in every layer alike; printed is the divergence (KL) from the dense model on the search
examples. Heads of their full rank are the control: they should answer as the dense model. Layers are found by BERT's
names.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.filled import filled_pipeline
from benchmarks.workload import add_workload_options
from optimizer.pipeline import Pipeline
from optimizer.predict import predict
from search_spaces.config import Config, Form
from search_spaces.groups import dense_config
from search_spaces.transforms.table import UNITS

DAMPING = 1e-3  # of the mean diagonal of a Gram matrix
BATCHES = 8  # of calibration examples


class Beside(nn.Module):
    """A layer of kept neurons with a product of low rank beside it, both reading what the first one reads."""

    def __init__(self, up: nn.Linear, down: nn.Linear) -> None:
        super().__init__()
        self.up, self.down, self.read = up, down, torch.empty(0)
        self.product = torch.empty(0)  # of low rank, `(1 + columns, rows)`, the first row a bias

    def first(self, values: Tensor) -> Tensor:
        """Return what the first layer computes."""
        self.read = values
        return nn.functional.linear(values, self.up.weight, self.up.bias)

    def second(self, values: Tensor) -> Tensor:
        """Return what the second layer computes, and the product beside it."""
        kept = nn.functional.linear(values, self.down.weight, self.down.bias)
        return kept + with_ones(self.read) @ self.product if len(self.product) else kept


def main() -> None:
    """Print a row for every comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.5, 0.25], help="of neurons that are kept")
    parser.add_argument(
        "--heads", type=float, nargs="+", default=[1.0, 0.75, 0.5], help="shares of heads, and of ranks"
    )
    parser.add_argument("--cache-dir", type=Path, help="keeps the bank")
    options = parser.parse_args()
    with filled_pipeline(options, UNITS, cache_dir=options.cache_dir) as pipeline:
        divergence, texts = divergence_of(pipeline), batches(pipeline)
        print("| | fewer units | beside low rank |\n|---|--:|--:|")
        for share in options.shares:
            fewer, same = (uniform(pipeline, "neurons", share, more) for more in (0, 1))
            rank = min(same.levels[name] - kept for name, kept in fewer.levels.items() if name.endswith("neurons"))
            model = with_residuals(pipeline.build(fewer, share_weights=False), pipeline.dense.model, texts, rank)
            row = f"{divergence(pipeline.build(same)):.5f} | {divergence(model):.5f}"
            print(f"| FFN: {share:g} of neurons, and {rank} more or a product of rank {rank} | {row} |", flush=True)
        for share in options.heads:
            with_fewer = pipeline.build(uniform(pipeline, "heads", share))
            model = with_low_heads(pipeline.dense.model, texts, share)
            row = f"{divergence(with_fewer):.5f} | {divergence(model):.5f}"
            print(f"| heads: {share:g} of them, or of the rank of each | {row} |", flush=True)


def uniform(pipeline: Pipeline, kind: str, share: float, more: int = 0) -> Config:
    """Return the config that keeps about a share of every group of a kind, or so many levels more."""
    groups = [group for group in pipeline.groups if group.kind == kind]
    places = [group.levels.index(group.nearest_level(share * group.units)) + more for group in groups]
    levels = {group.name: group.levels[place] for group, place in zip(groups, places, strict=True)}
    config = dense_config(pipeline.groups).replaced(levels).in_form(Form.RECONSTRUCTED)
    pipeline.fill_for(config)
    return config


def divergence_of(pipeline: Pipeline) -> Callable[[nn.Module], float]:
    """Return what gives a model's divergence from the dense one on the search examples."""
    task, examples = pipeline.workload.task, pipeline.workload.search
    dense = predict(pipeline.dense.model, examples, task)
    return lambda model: task.divergence(dense, predict(model.eval(), examples, task))


def batches(pipeline: Pipeline) -> list[dict[str, Tensor]]:
    """Return a few batches of calibration examples, without their labels."""
    some = [batch for batch, _ in zip(pipeline.dense.batches(), range(BATCHES), strict=False)]
    return [{name: tensor for name, tensor in batch.items() if name != "labels"} for batch in some]


def with_residuals(model: Any, dense: Any, texts: list[dict[str, Tensor]], rank: int) -> Any:  # Any: transformers
    """Return a model, changed in place, with products of a rank beside its FFNs."""
    for small, whole in zip(model.bert.encoder.layer, dense.bert.encoder.layer, strict=True):
        up, down = small.intermediate.dense, small.output.dense
        read, wanted = seen(dense, whole.intermediate.dense, texts), seen(dense, whole.output.dense, texts, output=True)
        kept = down(small.intermediate.intermediate_act_fn(up(read)))
        beside = Beside(up, down)
        beside.product = of_rank(with_ones(read), wanted - kept, rank)
        up.forward, down.forward = beside.first, beside.second
    return model


def with_low_heads(dense: Any, texts: list[dict[str, Tensor]], share: float) -> Any:
    """Return the dense model with heads of a lower rank, their zeros in place."""
    model = copy.deepcopy(dense)
    for small, whole in zip(model.bert.encoder.layer, dense.bert.encoder.layer, strict=True):
        own, output = small.attention.self, small.attention.output.dense
        read = seen(dense, whole.attention.self.query, texts)
        wanted = seen(dense, whole.attention.output.dense, texts, output=True)
        root = rooted(with_ones(read))
        size = own.attention_head_size
        for start in range(0, len(own.query.weight), size):
            rows = slice(start, start + size)
            rank = round(share * size)
            query, key, value = (
                torch.cat([each.bias[rows, None], each.weight[rows]], 1) for each in (own.query, own.key, own.value)
            )
            left, right = split(root @ query.t() @ key @ root, rank)
            put(own.query, rows, torch.linalg.solve(root, left).t())
            put(own.key, rows, torch.linalg.solve(root, right.t()).t())
            _, right = split(output.weight[:, rows] @ value @ root, rank)
            put(own.value, rows, torch.linalg.solve(root, right.t()).t())
        context = seen_after(dense, small, whole, texts)
        solved = fitted(with_ones(context), wanted)
        output.bias.copy_(solved[0])
        output.weight.copy_(solved[1:].t())
    return model


def seen_after(dense: Any, small: Any, whole: Any, texts: list[dict[str, Tensor]]) -> Tensor:
    """Return what the outputs of changed heads read, in the dense model with these heads alone."""
    kept, whole.attention.self = whole.attention.self, small.attention.self
    try:
        return seen(dense, whole.attention.output.dense, texts)
    finally:
        whole.attention.self = kept


def put(layer: nn.Linear, rows: slice, values: Tensor) -> None:
    """Give the first rows of a head, in place, values `(rank, 1 + columns)`, a bias first, and the others zeros."""
    layer.weight[rows], layer.bias[rows] = 0, 0
    inside = slice(rows.start, rows.start + len(values))
    layer.weight[inside], layer.bias[inside] = values[:, 1:], values[:, 0]


def split(product: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return the nearest product of a rank as `(rows, rank)` and `(rank, columns)`."""
    left, values, right = torch.linalg.svd(product, full_matrices=False)
    root = values[:rank].sqrt()
    return left[:, :rank] * root, root[:, None] * right[:rank]


def rooted(read: Tensor) -> Tensor:
    """Return the symmetric root of a damped Gram matrix."""
    values, vectors = torch.linalg.eigh(damped(read))
    root: Tensor = vectors * values.clamp(min=1e-9).sqrt() @ vectors.t()
    return root


def of_rank(read: Tensor, wanted: Tensor, rank: int) -> Tensor:
    """Return the map of a rank with the least squared error: reduced-rank regression."""
    solved = fitted(read, wanted)
    _, _, right = torch.linalg.svd(read @ solved, full_matrices=False)
    made: Tensor = solved @ right[:rank].t() @ right[:rank]
    return made


def fitted(read: Tensor, wanted: Tensor) -> Tensor:
    """Return the map with the least squared error, damped."""
    found: Tensor = torch.linalg.solve(damped(read), read.t() @ wanted)
    return found


def damped(read: Tensor) -> Tensor:
    """Return a Gram matrix with a share of its mean diagonal added."""
    gram = read.t() @ read
    return gram + DAMPING * gram.diagonal().mean() * torch.eye(len(gram))


def with_ones(values: Tensor) -> Tensor:
    """Return values `(…, columns)` with a first column of ones."""
    return torch.cat([torch.ones_like(values[..., :1]), values], dim=-1)


def seen(model: nn.Module, layer: nn.Module, texts: list[dict[str, Tensor]], *, output: bool = False) -> Tensor:
    """Return what a layer reads, or writes, at the tokens of some texts: `(tokens, columns)`."""
    found: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _, inputs, out: found.append(out if output else inputs[0]))
    try:
        for batch in texts:
            model(**batch)
    finally:
        handle.remove()
    masks = [batch["attention_mask"].bool() for batch in texts]
    return torch.cat([values[mask] for values, mask in zip(found, masks, strict=True)])


if __name__ == "__main__":
    with torch.no_grad():
        main()
