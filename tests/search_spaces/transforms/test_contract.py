"""The laws of every transform, on a model of its kind; a new row of the table is held to them by its name alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import identity
import pytest
import torch
from digit_networks import mlp
from prunable_models import batches, first_logit, logits, summed_loss
from tiny_encoders import tiny
from torch import Tensor, nn

from search_spaces.config import Config, Form, Recipe
from search_spaces.groups import Group, check_config, config_of, dense_config
from search_spaces.layouts.modeling_pruned import FROM_RANK
from search_spaces.layouts.named import named_layout
from search_spaces.layouts.stored import stored_of
from search_spaces.layouts.traced.discover import discover_channels
from search_spaces.transforms.masks.space import ONE_SHOT
from search_spaces.transforms.table import TRANSFORMS, TransformError, check_transforms
from search_spaces.transforms.transform import Dense, Source, Training, Transform, Vocabulary

ROWS = {**TRANSFORMS, "identity": identity.ROW}
IMAGES = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def encoder() -> tuple[Dense, Callable[[nn.Module], Tensor]]:
    model = tiny("bert")
    words = model.bert.embeddings.word_embeddings
    torch.nn.init.normal_(words.weight)  # the padding token too
    seen = torch.cat([batch["input_ids"].flatten() for batch in batches()])
    dense = Dense(
        model=model,
        find_layout=lambda: named_layout(model),
        weights_hash="w",
        examples_hash="e",
        batches=batches,
        loss=summed_loss,
        answers=first_logit,
        vocabulary=Vocabulary(
            path="bert.embeddings.word_embeddings",
            unknown=1,
            counts=lambda: torch.bincount(seen[seen % 3 > 0], minlength=50).index_fill(0, torch.arange(4), 1000),
        ),
    )
    return dense, lambda made: logits(made, batches()[0])


def network() -> tuple[Dense, Callable[[nn.Module], Tensor]]:
    torch.manual_seed(0)
    model = mlp().eval()

    def loss(net: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return nn.functional.cross_entropy(net(batch["x"]), batch["labels"], reduction="sum")

    def untrained(*_: object) -> None:
        raise AssertionError("a one-shot mask needs no training")

    dense = Dense(
        model=model,
        find_layout=lambda: discover_channels(model, IMAGES, round_to=8),
        weights_hash="w",
        examples_hash="e",
        batches=lambda: [{"x": IMAGES, "labels": torch.arange(16) % 10}],
        loss=loss,
        answers=lambda net, batch: net(batch["x"]),
        training=Training(initial=model, words="none", examples_hash="t", passes=0, run=untrained),  # type: ignore[arg-type]
    )
    return dense, lambda made: made(IMAGES)


KINDS = {"encoder": encoder, "network": network}
CASES = [
    (name, kind)
    for name in ROWS
    for kind in KINDS
    if (name, kind) not in (("masks", "encoder"), ("vocabulary", "network"))
]


class World:
    """One transform on one model, with what it keeps in a folder."""

    def __init__(self, name: str, kind: str, root: Path) -> None:
        self.dense, self._answers = KINDS[kind]()
        self.name, self.root = name, root
        self.transform: Transform = ROWS[name].load()
        self.groups: tuple[Group, ...] = self.transform.groups(self.dense)
        self.source: Source = self.transform.source(self.dense, root)

    def config(self, share: float) -> Config:
        config = config_of(self.groups, {group.name: share * group.units for group in self.groups})
        recipe = Recipe(schedule=ONE_SHOT, scope="uniform")
        return replace(config, form=Form.MASKED, recipe=recipe) if self.name == "masks" else config

    def answers(self, model: nn.Module) -> Tensor:
        with torch.inference_mode():
            return self._answers(model.eval())

    def apply(self, config: Config, *, share_weights: bool = True) -> nn.Module:
        self.source.fill()
        self.source.fill_for(config)
        return self.transform.apply(self.dense.model, config, self.source, share_weights=share_weights, stays={})


@pytest.fixture(params=CASES, ids=lambda case: "-".join(case))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(*request.param, tmp_path)


def test_groups_are_named_once_and_fit_configs(world: World) -> None:
    assert world.groups
    for share in (0.0, 0.5, 1.0):
        check_config(world.config(share), world.groups)
    assert world.config(1.0).kept == dense_config(world.groups).kept


def test_a_dense_config_leaves_the_model_as_it_is(world: World) -> None:
    torch.testing.assert_close(world.answers(world.apply(world.config(1.0))), world.answers(world.dense.model))


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_the_outline_has_the_shapes_of_what_is_applied(world: World, share: float) -> None:
    config = world.config(share)
    made = world.apply(config).eval()
    tensors = made.state_dict()
    loaded = world.transform.outline(world.dense.model, config, find_layout=lambda: world.dense.layout, tensors=tensors)
    loaded.load_state_dict(tensors, strict=True, assign=True)
    torch.testing.assert_close(world.answers(loaded), world.answers(made))


def test_what_is_described_is_true(world: World) -> None:
    config = world.config(0.5)
    made = world.apply(config)
    for path, shape in world.transform.describe(world.dense.model, config, {}).items():
        if shape.bits:
            stored = stored_of(made.get_submodule(path))
            assert stored
            assert (stored.bits, stored.codes.shape) == (shape.bits, shape.weight)
            continue
        names = {f"{path}.weight", f"{path}.{FROM_RANK}.weight"}
        kept = sum(int((weight != 0).sum()) for name, weight in made.named_parameters() if name in names)
        assert kept == shape.kept * shape.weights_per_unit
        assert shape.weight == tuple(world.dense.model.get_parameter(f"{path}.weight").shape)


def test_the_dense_model_is_never_written_to_and_owned_weights_are_ones_own(world: World) -> None:
    before = copy.deepcopy(world.dense.model.state_dict())
    made = world.apply(world.config(0.5), share_weights=False)
    if world.name != "identity":
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.add_(1)
    for name, tensor in world.dense.model.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_a_second_study_finds_what_the_first_computed(world: World) -> None:
    config = world.config(0.5)
    first = world.answers(world.apply(config))
    before = {path: path.stat().st_mtime_ns for path in world.root.rglob("*") if path.is_file()}
    world.source = world.transform.source(world.dense, world.root)
    assert torch.equal(world.answers(world.apply(config)), first)
    assert {path: path.stat().st_mtime_ns for path in world.root.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ((), r"name at least one of units \(heads, neurons and channels are removed\), vocabulary"),
        (("unit",), r"there is no 'unit'; choose from units \(heads"),
        (("masks", "units"), "in the order in which they are applied: units, masks"),
        (("units", "units"), "name each once"),
        (("units", "masks"), "'masks' cannot follow 'units'"),
    ],
)
def test_transforms_that_do_not_go_together_are_refused_by_name(names: tuple[str, ...], says: str) -> None:
    with pytest.raises(TransformError, match=says):
        check_transforms(names)
