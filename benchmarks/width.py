"""Whether fewer hidden dimensions are worth their harm: models of equal FLOPs, with and without them.

    python -m benchmarks.width --model DIR --task sst2 --data DIR --epsilon 0.01

For a BERT, without training. At every share of the FLOPs, heads and neurons are allocated by their sensitivities, once
for all hidden dimensions and once, more of them, for each smaller number. Dimensions are ranked by optimal brain
surgeon over all layers that read them, these layers are solved again by least squares, and layer norms are fitted per
dimension. Dimensions of outlying size stay, because layer norms divide by them. Answers are compared on the search and
verification examples together.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.workload import add_workload_options, spec_of
from objectives.size import size_bytes
from objectives.statistics import paired_drop_interval
from optimizer.families.encoders.load import load_workload
from optimizer.predict import predict
from optimizer.preparation.prepare import Prepared, prepare
from optimizer.progress import Stages, ignore
from optimizer.search.space import Space
from search_spaces.groups import Group
from search_spaces.transforms.parts import whole
from search_spaces.transforms.transform import Dense
from search_spaces.transforms.units.criteria.obs import OptimalBrainSurgeon
from search_spaces.transforms.units.damping import factorised
from search_spaces.transforms.units.evidence import Reader, Reading
from search_spaces.transforms.units.solve import refit
from search_spaces.transforms.units.tokens import readings

FLOPS = (0.4, 0.3, 0.25, 0.21, 0.18)
WIDTHS = (1.0, 11 / 12, 5 / 6, 3 / 4)
OUTLYING = 4.0  # times the mean square of what a layer norm reads
READERS = ("attention.self.query", "attention.self.key", "attention.self.value", "intermediate.dense")
POOLER = "bert.pooler.dense"
HEADER = "| FLOPs | width | MB | accuracy | drop against the full width, 95 % | divergence |\n|--:|--:|--:|--:|--:|--:|"


class Narrower:
    """A ranking of the hidden dimensions of a dense model, and what its readers and layer norms see."""

    def __init__(self, dense: Dense) -> None:
        model = dense.model
        paths = [path for path, _ in model.named_modules() if path.endswith(READERS)]
        self._readings = readings(whole(dense, paths))
        group = _group(len(self._readings[paths[0]].mean))
        readers = [_reader(model.get_parameter(f"{path}.weight"), each) for path, each in self._readings.items()]
        ranked = OptimalBrainSurgeon().rank(group, SimpleNamespace(readers=lambda _: readers))
        self._seen = _watched(dense)
        pooled = self._seen.pop(POOLER)[0]
        self._readings[POOLER] = Reading(mean=pooled.mean(0), covariance=pooled.T.cov(), felt=torch.ones(1))
        largest = torch.stack([z.square().mean(0) / z.square().mean() for z, _ in self._seen.values()]).amax(0)
        self._order = ranked[(largest[ranked] <= OUTLYING).sort(stable=True).indices]

    @torch.no_grad()
    def narrow(self, model: nn.Module, width: int) -> None:
        """Keep, in place, so many dimensions of a pruned model that shares no weights with the dense one."""
        kept = self._order[:width].sort().values
        for path, module in model.named_modules():
            if isinstance(module, nn.LayerNorm):
                module.normalized_shape = (width,)
                module.weight, module.bias = map(nn.Parameter, self._norm(path, kept))
            elif isinstance(module, nn.Embedding):
                module.weight = nn.Parameter(module.weight[:, kept])
            elif path in self._readings:
                layer: Any = module
                weight, shift = refit(layer, self._readings[path], kept)
                layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(layer.bias + shift)
            elif path.endswith("output.dense"):
                for name, tensor in list(module.named_parameters()):
                    setattr(module, name, nn.Parameter(tensor[kept]))

    def _norm(self, path: str, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Return scale and shift `(width,)` with which the narrower layer norm is nearest to the dense outputs."""
        seen, wanted = (each[:, kept] for each in self._seen[path])
        normed = nn.functional.layer_norm(seen, seen.shape[1:], eps=1e-12)
        mean, target = normed.mean(0), wanted.mean(0)
        scale = ((normed - mean) * (wanted - target)).sum(0) / (normed - mean).square().sum(0)
        return scale, target - scale * mean


def _group(width: int) -> Group:
    return Group(
        name="hidden", kind="hidden", layer=0, units=width, unit_size=1, levels=(width,), producers=(), consumers=()
    )


def _reader(weight: Tensor, seen: Reading) -> Reader:
    weight = weight.detach().double()
    columns, owner = factorised(seen.felt)[1].T @ weight, torch.arange(weight.shape[1])
    norms = weight.square().sum(0)
    return Reader(mean=seen.mean, covariance=seen.covariance, columns=columns, norms=norms, owner=owner)


@torch.no_grad()
def _watched(dense: Dense) -> dict[str, tuple[Tensor, ...]]:
    """Return what each layer norm and the pooler read and write, by path, each `(tokens, width)` without padding."""
    calls: dict[str, tuple[Tensor, Tensor]] = {}
    seen: dict[str, list[tuple[Tensor, Tensor]]] = {}

    def watch(path: str, module: nn.Module) -> Any:
        return module.register_forward_hook(lambda _, inputs, output: calls.update({path: (inputs[0], output)}))

    modules = dense.model.named_modules()
    handles = [watch(path, each) for path, each in modules if isinstance(each, nn.LayerNorm) or path == POOLER]
    for batch in dense.batches():
        dense.answers(dense.model, batch)
        for path, call in calls.items():
            real = ... if path == POOLER else batch["attention_mask"].bool()
            seen.setdefault(path, []).append((call[0][real], call[1][real]))
    for handle in handles:
        handle.remove()
    return {path: tuple(map(torch.cat, zip(*each, strict=True))) for path, each in seen.items()}


def rows(prepared: Prepared) -> Iterator[str]:
    """Yield a Markdown table with a row for each share of the FLOPs and each hidden width."""
    workload, build, space = prepared.workload, prepared.pipeline.build, cast("Space", prepared.space)
    task, roles = workload.task, (workload.search, workload.verification)
    labels = np.concatenate([role.labels for role in roles])
    narrower, width = Narrower(prepared.pipeline.dense), workload.model.config.hidden_size

    def asked(model: nn.Module) -> tuple[Any, Any]:
        answers = [predict(model, role, task) for role in roles]
        return np.concatenate(answers), np.concatenate([*map(task.predictions, answers, roles)]) == labels

    expected, right = asked(workload.model)
    yield f"dense: {right.mean():.4f}, n = {len(labels)}, {size_bytes(workload.model) / 1e6:.1f} MB\n\n{HEADER}"
    for flops in FLOPS:
        for kept in (round(width * share) for share in WIDTHS):
            model = build(space.optimal(flops * width / kept), share_weights=False)
            if kept < width:
                narrower.narrow(model, kept)
            answers, is_right = asked(model)
            right = is_right if kept == width else right
            ratio = workload.family.flops(model) / workload.family.flops(workload.model)
            yield (
                f"| {ratio:.3f} | {kept} | {size_bytes(model) / 1e6:.1f} | {is_right.mean():.4f} "
                f"| {_drop(right, is_right)} | {task.divergence(expected, answers):.4f} |"
            )


def _drop(full: Any, narrow: Any) -> str:
    lost, gained, n = int((full & ~narrow).sum()), int((narrow & ~full).sum()), len(full)
    found = paired_drop_interval(lost, gained, n)
    return f"{(lost - gained) / n:.4f} [{found.lower:.4f}, {found.upper:.4f}]" if lost or gained else ""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    spec = spec_of(parser.parse_args())
    with TemporaryDirectory() as scratch:
        workload = load_workload(spec, cache_dir=Path(scratch), progress=lambda *_: None)
        stages = Stages(ignore, lambda _seconds: None)
        for row in rows(prepare(spec, workload, cache_dir=Path(scratch), stages=stages)):
            print(row, flush=True)


if __name__ == "__main__":
    main()
