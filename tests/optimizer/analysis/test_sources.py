"""Sources: what is a model, what is counted of it, and what is refused, in words, without running anything of it."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
from analyzed_networks import SHAPE, network, save_graph, save_networks
from safetensors.torch import save_file
from tiny_checkpoints import save_tiny
from torch import nn

from objectives.networks import count_network_flops
from objectives.size import count_parameters
from optimizer.analysis.collect import collected
from optimizer.analysis.inputs import Inputs, written_inputs
from optimizer.analysis.sources.graphs import files_of, inputs_of
from optimizer.analysis.sources.source import Described, Entry, Loaded
from optimizer.analysis.sources.table import source_of
from optimizer.errors import InputError
from optimizer.families.networks.models import new_model

GOLDEN = Path(__file__).parents[2] / "golden" / "old_export"
IMAGES = written_inputs(["x".join(map(str, SHAPE))])


def load(place: Path, *, inputs: Inputs | None = None, build: Callable[[], nn.Module] | None = None) -> Loaded:
    source = source_of(place)
    assert source is not None
    return source.load(place, Described(inputs=inputs, length=7, build=build))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_dense_module_takes_the_shapes_of_the_file(suffix: str, tmp_path: Path) -> None:
    small, place = network(5, 7), tmp_path / f"small{suffix}"
    if suffix == ".pth":
        torch.save({"epoch": 3, "state_dict": small.state_dict()}, place)
    else:
        save_file(small.state_dict(), place)
    loaded = load(place, inputs=IMAGES, build=network)
    images = torch.randn(2, *SHAPE)
    with torch.no_grad():
        torch.testing.assert_close(loaded.measured.model(pixel_values=images), small.eval()(images))
    assert loaded.measured.flops == count_network_flops(small, images)
    assert loaded.parameters == count_parameters(small)


def test_the_name_of_a_file_tells_an_architecture_of_torchvision(tmp_path: Path) -> None:
    net = new_model("resnet18", (3, 32, 32), 7, seed=0, from_torchvision=True)
    torch.save(net.state_dict(), tmp_path / "ResNet18_CIFAR_UNPRUNED.pth")
    loaded = load(tmp_path / "ResNet18_CIFAR_UNPRUNED.pth", inputs=written_inputs(["3x32x32"]))
    assert loaded.parameters == count_parameters(net)


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('unpickled')",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps(Trap()), "holds more than tensors, and unpickling it could run any code|is damaged"),
        (b"garbage", "is damaged or no file of weights"),
        (b"PK\x03\x04 half", "is damaged or no file of weights"),
        (b"", "is damaged or no file of weights"),
    ],
)
def test_a_file_that_is_no_state_dict_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    place = tmp_path / "net.pth"
    place.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load(place, inputs=IMAGES, build=network)


def test_a_pickled_module_is_not_unpickled(tmp_path: Path) -> None:
    torch.save(network(), tmp_path / "whole.pth")
    with pytest.raises(InputError, match="could run any code"):
        load(tmp_path / "whole.pth", inputs=IMAGES, build=network)


def test_weights_say_what_they_lack(tmp_path: Path) -> None:
    place = save_networks(tmp_path, {"net": (4, 4)}) / "net.pth"
    with pytest.raises(InputError, match=r"nobody says what net.pth takes"):
        load(place, build=network)
    with pytest.raises(InputError, match=r"nobody says what builds net.pth"):
        load(place, inputs=IMAGES)
    with pytest.raises(InputError, match="which the module does not have"):
        load(place, inputs=IMAGES, build=lambda: network()[:1])
    with pytest.raises(InputError, match="does not run on pixel_values=5"):
        load(place, inputs=written_inputs(["5"]), build=network)
    grouped = nn.Sequential(nn.Conv2d(4, 8, 3, groups=2))
    torch.save(nn.Sequential(nn.Conv2d(4, 4, 3, groups=2)).state_dict(), tmp_path / "grouped.pth")
    with pytest.raises(InputError, match="several groups"):
        load(tmp_path / "grouped.pth", inputs=IMAGES, build=lambda: grouped)


def test_a_graph_is_counted_from_the_shapes_that_it_has_when_it_runs(tmp_path: Path) -> None:
    loaded = load(save_graph(tmp_path / "net.onnx"))
    convolution, product = 2 * 4 * 4 * 4 * 3 * 9, 2 * 64 * 5
    assert loaded.measured.flops == convolution + product
    assert loaded.parameters == 4 * 3 * 9 + 64 * 5
    images = torch.randn(3, 3, 6, 6)
    answer = loaded.measured.model(image=images).logits
    assert answer.shape == (3, 5)
    assert torch.equal(loaded.measured.model.renamed("image", "pixel_values")(pixel_values=images).logits, answer)
    moved = loaded.measured.traffic
    assert moved is not None
    once, thrice = (moved({"image": torch.zeros(n, 3, 6, 6)}) for n in (1, 3))
    assert 4 * loaded.parameters < once < thrice < 3 * once


def test_graphs_that_cannot_be_measured_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"\x08\x07garbage")
    with pytest.raises(InputError, match="damaged, or does not run"):
        load(tmp_path / "bad.onnx")
    with pytest.raises(InputError, match="Einsum"):
        load(save_graph(tmp_path / "einsum.onnx", operator="Einsum"))
    assert load(save_graph(tmp_path / "one.onnx", batch=1)).inputs.batches == (1,)


def test_folders_describe_their_own_inputs(tmp_path: Path) -> None:
    folder = load(save_tiny(tmp_path / "folder"))
    assert folder.inputs.words == "input_ids=7:int64, attention_mask=7:int64"
    export = load(GOLDEN)
    assert export.inputs.words == "input_ids=7:int64, attention_mask=7:int64, token_type_ids=7:int64"
    assert export.parameters > 0
    config = json.loads((tmp_path / "folder" / "config.json").read_text())
    (tmp_path / "folder" / "config.json").write_text(json.dumps({**config, "architectures": ["os"]}))
    with pytest.raises(InputError, match="names os, which transformers does not have"):
        load(tmp_path / "folder")


@pytest.mark.parametrize("given", ["3x", "x3", "3x0x2", "a=3:int99", "9999999x9999999", "3 x 3"])
def test_inputs_are_read_as_written(given: str) -> None:
    with pytest.raises(InputError, match="input"):
        written_inputs([given])
    with pytest.raises(InputError, match="twice"):
        written_inputs(["a=3", "a=4"])


def test_the_files_of_a_graph_are_its_own_and_those_that_hold_its_weights(tmp_path: Path) -> None:
    place = save_graph(tmp_path / "net.onnx")
    assert files_of(place) == [place]
    apart = tmp_path / "apart.onnx"
    onnx.save_model(onnx.load_model(place), apart, save_as_external_data=True, location="weights", size_threshold=0)
    assert files_of(apart) == [apart, tmp_path / "weights"]
    assert inputs_of(apart) == ["image"]
    (tmp_path / "below").mkdir()
    for away in "../weights", str(tmp_path / "weights"):
        graph = onnx.load_model(apart, load_external_data=False)
        for tensor in graph.graph.initializer:
            tensor.external_data[0].value = away
        (tmp_path / "below" / "net.onnx").write_bytes(graph.SerializeToString())
        assert files_of(tmp_path / "below" / "net.onnx") == [tmp_path / "below" / "net.onnx"]
        with pytest.raises(InputError, match=r"net\.onnx is damaged, or does not run: .*weights"):
            load(tmp_path / "below" / "net.onnx")
    apart.write_bytes(b"\x08\x07garbage")
    assert files_of(apart) == [apart]


def test_a_graph_that_no_session_takes_is_refused_by_name(tmp_path: Path) -> None:
    graph, place = onnx.load_model(save_graph(tmp_path / "net.onnx")), tmp_path / "apart.onnx"
    onnx.save_model(graph, place, save_as_external_data=True, location="weights", size_threshold=0)  # a shape as well
    with pytest.raises(InputError, match=r"apart\.onnx is damaged, or does not run: .*external"):
        load(place)


def test_weights_beside_a_graph_are_part_of_what_is_measured(tmp_path: Path) -> None:
    apart, weights = tmp_path / "apart.onnx", tmp_path / "apart.onnx.data"
    graph = onnx.load_model(save_graph(tmp_path / "net.onnx"))
    onnx.save_model(graph, apart, save_as_external_data=True, location=weights.name, size_threshold=0)

    def entry() -> Entry:
        [found] = collected([str(apart)], Described(), table=None, parent=None, find_study=lambda *_: None)
        return found

    before = entry()
    assert before.size == apart.stat().st_size + weights.stat().st_size
    weights.write_bytes(weights.read_bytes()[::-1])
    os.utime(weights, ns=(0, 0))  # other weights of the same size, copied with their date
    assert entry().stamp != before.stamp
    assert entry().stamp == entry().stamp
