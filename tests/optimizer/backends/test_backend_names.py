"""Which backends a study may name, and what is said of one that cannot run."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from api.cli.spec_options import spec_from
from optimizer.backends import names
from optimizer.backends.names import check_backends
from optimizer.door.fields import as_several
from optimizer.errors import InputError
from optimizer.spec import StudySpec

LEAST = {"model": "phrases-mini", "task": "phrases", "epsilon": 0.01}
BOTH = ("torch", "onnxruntime")


def test_a_study_runs_in_torch_unless_it_names_others() -> None:
    assert StudySpec.model_validate(LEAST).backends == ("torch",)
    assert StudySpec.stored(LEAST).backends == ("torch",), "a study stored before there were others"
    assert spec_from({**LEAST, "backends": ["torch,onnxruntime"]}, None).backends == BOTH
    assert StudySpec.model_validate({**LEAST, **as_several({"backends": "onnxruntime"})}).backends == ("onnxruntime",)


@pytest.mark.parametrize("wrong", [[], ["torch", "torch"], ["tensorrt"]])
def test_backends_are_known_and_named_once(wrong: list[str]) -> None:
    with pytest.raises(ValidationError, match="backends"):
        StudySpec.model_validate({**LEAST, "backends": wrong})


def test_an_unknown_backend_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"backends: unknown name 'onnxrutime'; did you mean 'onnxruntime'"):
        spec_from({**LEAST, "backends": ["onnxrutime"]}, None)


@pytest.mark.parametrize(
    ("fields", "installed", "said"),
    [
        ({}, False, "backends: onnxruntime needs onnx: pip install 'pruning-optimizer[onnx]'"),
        ({"device": "cuda"}, True, "backends: onnxruntime runs on the CPU here, and `device` is cuda; use cpu"),
    ],
)
def test_a_backend_that_cannot_run_is_refused_with_the_remedy(
    fields: dict[str, object], installed: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "find_spec", lambda _: names if installed else None)
    with pytest.raises(InputError, match=re.escape(said)):
        check_backends(StudySpec.model_validate({**LEAST, **fields, "backends": BOTH}))
    check_backends(StudySpec.model_validate({**LEAST, **fields}))
