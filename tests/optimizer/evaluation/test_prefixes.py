"""Models that share their first layers run them once, and answer as if they ran alone."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from torch import nn

import optimizer.evaluation.prefixes
from objectives.guard import on_threads
from optimizer.evaluation.prefixes import Prefixes
from optimizer.predict import predict
from optimizer.tasks.classification import Classification
from search_spaces.config import Config, Form
from search_spaces.groups import GroupKind
from search_spaces.layouts.named import named_layout
from search_spaces.transforms.units.materialize import outline
from tests.optimizer.test_predict import examples
from tests.tiny_encoders import OF_EVERY_PART, WIDTH, tiny

ASKED = examples(40, longest=40)
TASK = Classification()
LAYERS = 3


class Study:
    """A tiny encoder of three layers whose smaller forms keep the first units; counts the layers that run."""

    def __init__(self, architecture: str) -> None:
        self.model = tiny(architecture, layers=LAYERS)
        self.layout = named_layout(self.model)
        self.prefixes = Prefixes(self.model, self.layout.groups, ASKED, TASK)
        self.dense = Config.of({group.name: group.units for group in self.layout.groups})

    def layers_run(self, **levels: int) -> float:
        """Answer with some groups of the dense config changed, and return how many of the layers ran."""
        config = self.dense.replaced({f"layer.{name[1]}.{name[3:]}": level for name, level in levels.items()})
        small, ran = outline(self.model, self.layout, config), []
        for group in self.layout.groups:
            if group.kind == GroupKind.NEURONS:
                small.get_submodule(group.consumers[0]).register_forward_hook(lambda *_: ran.append(1))
        found, layers = self.prefixes.answers(small, config), len(ran)
        assert np.array_equal(found, predict(small, ASKED, TASK))
        return LAYERS * layers / (len(ran) - layers)


@pytest.mark.parametrize("architecture", [each for each in OF_EVERY_PART if each != "albert"])
def test_answers_are_those_of_the_model_alone(architecture: str) -> None:
    study = Study(architecture)
    with on_threads(2):
        assert [study.layers_run(_2_neurons=level) for level in (8, 16, 24, 0)] == [3, 3, 1, 1]
        assert [study.layers_run(_1_neurons=8), study.layers_run(_1_heads=1, _2_heads=1)] == [2, 2]


def test_layers_that_are_one_are_run_again() -> None:
    study = Study("albert")
    assert [study.layers_run(_1_neurons=level) for level in (8, 16, 24)] == [3, 3, 3]


def test_a_layer_is_kept_within_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer.evaluation.prefixes, "KEPT_BYTES", 4 * WIDTH * int(ASKED.lengths.sum()))
    study = Study("bert")
    assert [study.layers_run(_2_neurons=level) for level in (8, 16, 24, 32)] == [3, 3, 2, 1]
    assert [study.layers_run(_0_neurons=8, _2_neurons=level) for level in (8, 16, 24, 32)] == [3, 3, 2, 1]
    assert study.layers_run(_2_neurons=0) == 3


def test_a_trained_model_shares_nothing() -> None:
    study = Study("bert")
    config = study.dense.in_form(Form.FINETUNED)
    for _ in range(3):
        trained = copy.deepcopy(study.model)
        nn.init.normal_(next(trained.parameters()))
        assert np.array_equal(study.prefixes.answers(trained, config), predict(trained, ASKED, TASK))
