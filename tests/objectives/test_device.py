from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from objectives.device import (
    cpu_name,
    describe_device,
    device_fingerprint,
    device_name,
    device_of,
    synchronise,
    vector_instructions,
)

CPU = torch.device("cpu")


def test_a_model_is_on_the_device_of_its_parameters() -> None:
    assert device_of(nn.Linear(1, 1, device="meta")).type == "meta"
    assert device_of(nn.ReLU()) == CPU


def test_the_processors_name_is_read_where_linux_tells_it(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz: v2\n\nmodel name\t: Other\n")
    assert cpu_name(cpuinfo) == "Some CPU @ 2.0GHz: v2"


def test_a_processor_without_a_model_name_still_has_a_name(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nBogoMIPS\t: 50\n")
    assert cpu_name(cpuinfo)


def test_a_description_says_device_name_and_threads() -> None:
    description = describe_device(CPU)
    assert description["device"] == "cpu"
    assert description["device_name"] == device_name(CPU) != ""
    assert description["threads"] == torch.get_num_threads()


def test_the_fingerprint_is_stable_and_follows_the_threads() -> None:
    threads = torch.get_num_threads()
    before = device_fingerprint(CPU)
    assert before == device_fingerprint(CPU)
    try:
        torch.set_num_threads(threads + 1)
        assert device_fingerprint(CPU) != before
    finally:
        torch.set_num_threads(threads)


def test_the_instructions_that_multiply_few_bits_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"avx2": True, "avx512_vnni": True, "amx_int8": False, "aes": True, "l2_cache_size": 1}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
    assert vector_instructions() == ["avx2", "avx512_vnni"]
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert vector_instructions() == [torch.backends.cpu.get_cpu_capability().lower()], "an older torch"


def test_the_cpu_has_nothing_to_wait_for() -> None:
    assert synchronise(CPU) is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_gpu_says_how_it_rounds_convolutions() -> None:
    layer, images = nn.Conv2d(64, 64, 3), torch.randn(8, 64, 16, 16)
    with torch.inference_mode():
        wanted = layer(images)
        error = (layer.cuda()(images.cuda()).cpu() - wanted).norm() / wanted.norm()
    assert describe_device(torch.device("cuda:0"))["convolutions"] == ("tf32" if error > 1e-5 else "float32")
