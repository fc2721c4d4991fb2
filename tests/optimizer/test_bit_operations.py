"""Bit operations: what may be asked of them, and what stands in for FLOPs where weights have fewer bits."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_checkpoints import save_data, save_tiny

from objectives.bit_operations import FULL, per_multiplication
from optimizer.errors import InputError
from optimizer.families.encoders.load import load_workload
from optimizer.pipeline import Pipeline
from optimizer.search.space import Space
from optimizer.spec import StudySpec
from optimizer.structure import check_structure
from optimizer.views.member import Member
from search_spaces.config import Form
from search_spaces.groups import dense_config


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"objectives": ("bit_operations",)}, "objectives: bit operations follow FLOPs .* add bits to `transforms`"),
        ({"limits": {"bit_operations_ratio": 0.5}}, "limits.bit_operations_ratio: bit operations follow FLOPs"),
    ],
)
def test_what_few_bits_do_not_go_with_is_refused_before_anything_is_loaded(asked: dict, says: str) -> None:
    spec = StudySpec.model_validate({"model": "any", "task": "sst2", "epsilon": 0.01, **asked})
    with pytest.raises(InputError, match=says):
        check_structure(spec, is_of_images=False)


def test_weights_of_eight_bits_meet_activations_of_eight_and_others_float32() -> None:
    assert [per_multiplication(bits) for bits in (4, 8, 16)] == [128, 64, 512]
    assert FULL == 1024


def test_leanness_is_that_of_bit_operations_where_there_are_any() -> None:
    said = SimpleNamespace(flops_ratio=0.5, bit_operations_ratio=0.1)
    assert Member.leanness.fget(said) == 0.1  # type: ignore[attr-defined]
    assert Member.leanness.fget(SimpleNamespace(flops_ratio=0.5, bit_operations_ratio=None)) == 0.5  # type: ignore[attr-defined]


def test_they_are_counted_layer_by_layer_and_order_the_levels_of_a_space(tmp_path: Path) -> None:
    save_tiny(tmp_path / "model")
    save_data(tmp_path / "data", tmp_path / "model", {"validation": 120, "test": 100})
    spec = StudySpec(
        model=str(tmp_path / "model"),
        task="colours",
        data=str(tmp_path / "data"),
        epsilon=0.6,
        transforms=("units", "bits"),
    )
    workload = load_workload(spec, cache_dir=tmp_path, progress=lambda *_: None)
    pipeline = Pipeline.of(spec, workload, tmp_path)
    costs, dense = pipeline.costs, dense_config(pipeline.groups)
    flops, counted = costs["flops"], costs["bit_operations"]
    assert counted.dense == FULL / 2 * flops.dense
    name = "bert.encoder.layer.0.intermediate.dense.bits"
    half = dense.replaced({"layer.0.neurons": 24})
    multiplied = 24 * 32 * float(np.mean(workload.search.lengths))
    for bits in (4, 8, 16):
        saved = counted.total(half) - counted.total(half.replaced({name: bits}))
        assert saved == pytest.approx(multiplied * (FULL - per_multiplication(bits)))
    assert flops.total(half) == flops.total(half.replaced({name: 4}))
    harms = {group.name: np.zeros(len(group.levels)) for group in pipeline.groups}
    space = Space(pipeline.groups, Form.RECONSTRUCTED, costs, harms, {})
    assert space.yardstick == "bit_operations"
    assert Space(pipeline.groups, Form.RECONSTRUCTED, {"flops": flops}, harms, {}).yardstick == "flops"
    assert (np.diff(space.tables[name].cost) >= 0).all()
