"""Steps in bfloat16: chosen where the processor has its arithmetic, and a training that they leave stable."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from tiny_encoders import tiny
from toy_examples import toy_examples

from optimizer.precision import native_dtype
from optimizer.tasks.classification import Classification
from optimizer.training.distill import DistillSettings, distill, student
from optimizer.training.teacher import Lesson

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [
        ("flags : fpu avx2 fma", torch.float32),
        ("flags : avx2 avx512f avx512_vnni", torch.float32),
        ("flags : avx512f avx512_bf16", torch.bfloat16),
        ("flags : avx512f amx_bf16 amx_tile", torch.bfloat16),
        ("Features : fp asimd bf16 i8mm", torch.bfloat16),
    ],
)
def test_a_cpu_trains_in_bfloat16_where_it_has_the_instructions(flags: str, dtype: torch.dtype, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(flags)
    assert native_dtype(CPU, tmp_path / "cpuinfo") == dtype


@pytest.mark.parametrize(("capability", "dtype"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16)])
def test_a_gpu_trains_in_bfloat16_from_ampere_on(
    capability: tuple[int, int], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    assert native_dtype(torch.device("cuda"), Path("none")) == dtype


def test_other_machines_train_in_float32(tmp_path: Path) -> None:
    assert native_dtype(CPU, tmp_path / "none") == native_dtype(torch.device("mps")) == torch.float32


def test_a_student_learns_in_bfloat16_with_weights_in_float32(tmp_path: Path) -> None:
    examples, settings = toy_examples(64, seed=3), DistillSettings(batch_size=8, rungs=(3.0,), dtype=torch.bfloat16)
    teacher = tiny("bert")
    model = copy.deepcopy(teacher)
    torch.nn.init.zeros_(model.bert.encoder.layer[0].output.dense.weight)
    computed: list[torch.dtype] = []
    model.classifier.register_forward_hook(lambda _module, _inputs, output: computed.append(output.dtype))
    lesson = Lesson(Classification(), teacher, ("bert.encoder.layer.0.output.dense",))
    batch = next(examples.batches(batch_size=64))
    before = lesson(model, batch).item()
    students = {"one": student(model, lesson, 1e-2, settings, len(examples))}
    computed.clear()
    distill(students, examples, settings, until=24, folder=tmp_path)
    assert set(computed) == {torch.bfloat16}
    assert not students["one"].failure
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert lesson(model, batch).item() < before / 2
