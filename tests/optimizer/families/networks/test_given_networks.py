"""Networks and images given in Python: the guide's own example, and what is refused."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from optimizer import (
    ImageData,
    Images,
    Normalisation,
    StudySpec,
    export_candidate,
    load_images,
    load_pruned,
    optimize,
    resume,
)
from optimizer.errors import InputError
from optimizer.families.encoders.load import load_workload
from optimizer.given import Given
from studies.opening import open_store

GUIDE = Path(__file__).parents[4] / "docs" / "guide.md"
SPEC = StudySpec(model="mine", task="corners", epsilon=0.1, trials=3, calibration_examples=32, allow_untrained=True)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the example of the guide leaves behind, run in a directory of its own."""
    place = tmp_path_factory.mktemp("example")
    section = GUIDE.read_text(encoding="utf-8").split("### A network and images of your own")[1]
    code = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)[0]
    asked, code = code, code.replace("trials=8", "trials=8, measure_seconds=0.05")
    assert code != asked
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        patch.chdir(place)
        torch.manual_seed(0)
        names: dict[str, Any] = {"__name__": "example", "place": place}
        exec(compile(code, str(GUIDE), "exec"), names)
    return names


def test_the_example_of_the_guide_ends_with_a_smaller_network_of_ones_own_class(example: dict[str, Any]) -> None:
    smaller, network, best = example["smaller"], example["network"], example["best"]
    assert isinstance(smaller, example["MyNetwork"])
    assert smaller.hidden.weight.shape[0] == 64  # kept by its path
    assert smaller.features[0].out_channels < 16
    assert sum(p.numel() for p in smaller.parameters()) == best.parameters
    assert network.features[0].out_channels == 16
    assert network.training
    images = example["images"]
    with torch.inference_mode():
        right = float((smaller(images.test.pixels).argmax(1) == images.test.labels).float().mean())
    assert right == pytest.approx(best.verification.accuracy)


def test_a_study_goes_on_with_the_same_network_alone(example: dict[str, Any]) -> None:
    store, images, place = example["store"], example["images"], example["place"]
    name, cache = example["result"].study, place / "cache"
    wider = resume(name, store=store, cache_dir=cache, epsilon=0.2, model=example["network"], images=images)
    assert wider.epsilon == 0.2
    changed = copy.deepcopy(example["network"])
    torch.nn.init.constant_(changed.hidden.bias, 0.01)
    with pytest.raises(InputError, match="weights changed since"):
        resume(name, store=store, cache_dir=cache, epsilon=0.3, model=changed, images=images)
    with pytest.raises(InputError, match="ran on data and model given in Python; give the same there again"):
        resume(name, store=store, cache_dir=cache, epsilon=0.3)
    study, given = store.study(name), {"model": example["network"], "images": images}
    dense = study.context["dense_config"]
    store.update_study(study.id, context={"dense_config": {**dense, "net.hidden": 8}})  # of a version that grouped them
    with pytest.raises(InputError, match=r"study: .*grouped the units of 'net\.hidden' differently; start a new study"):
        resume(name, store=store, cache_dir=cache, epsilon=0.3, **given)
    with pytest.raises(InputError, match=r"grouped the units of 'net\.hidden' differently"):
        export_candidate(store, store.study(name), example["best"].candidate, place / "other", cache_dir=cache, **given)
    assert not (place / "other").exists()
    store.update_study(study.id, context={"dense_config": dense})


def net() -> list[nn.Module]:
    """The layers of another network for the same images."""
    return [nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)]


def test_the_export_of_a_module_needs_the_class_it_came_from(example: dict[str, Any]) -> None:
    small = example["place"] / "small"
    with pytest.raises(InputError, match=r"into: .* load_pruned\(DIR, into="):
        load_pruned(small)
    with pytest.raises(InputError, match="into: makes another network than the one exported"):
        load_pruned(small, into=lambda: nn.Sequential(*net()))
    assert 'load_pruned("DIR", into=MyNetwork)' in (small / "README.md").read_text()
    assert not list(small.glob("*.pkl")) and not list(small.glob("*.pt*"))


class Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(64, 16), nn.Linear(16, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images.flatten(1)).relu()).detach()


class Noisy(nn.Module):
    """Its dropout drops in evaluation mode, too."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(64, 16), nn.Linear(16, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(nn.functional.dropout(self.body(images.flatten(1)).relu()))


def normed(norm: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """A network with a weight that is computed from others; it was called, so that the weight has a history."""
    flatten, hidden, relu, head = net()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        network = nn.Sequential(flatten, norm(hidden), relu, head)
    network(torch.zeros(2, 1, 8, 8))
    return network


def with_nan_in_a_buffer() -> nn.Module:
    norm = nn.BatchNorm1d(32)
    norm.running_mean[3] = torch.nan
    flatten, hidden, relu, head = net()
    return nn.Sequential(flatten, hidden, norm, relu, head)


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.mix = nn.Linear(8, 16), nn.MultiheadAttention(16, 2, batch_first=True)
        self.head = nn.Linear(16, 10)

    def forward(self, images: Tensor) -> Tensor:
        rows = self.body(images[:, 0])
        return self.head(self.mix(rows, rows, rows)[0].mean(dim=1))


class Blended(nn.Module):
    """Its last layer multiplies three tensors at once, which no law of torch's counter covers."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.down, self.mix = nn.Linear(64, 32), nn.Linear(32, 16), nn.Bilinear(16, 16, 10)

    def forward(self, images: Tensor) -> Tensor:
        rows = self.down(self.body(images.flatten(1)).relu())
        return self.mix(rows, rows)


class Mixed(nn.Module):
    """Its first convolution is reshaped so that channels and positions mix; its hidden layer is plain."""

    def __init__(self) -> None:
        super().__init__()
        self.stuck, self.hidden, self.head = nn.Conv2d(1, 16, 1), nn.Linear(8, 32), nn.Linear(32, 10)

    def forward(self, images: Tensor) -> Tensor:
        rows = self.stuck(images).reshape(len(images), -1, 8)
        return self.head(self.hidden(rows).relu().mean(dim=1))


def quantized() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch will drop such layers
        return nn.Sequential(nn.Flatten(), torch.ao.nn.quantized.dynamic.Linear(64, 10))


def in_integers() -> nn.Module:
    """As layers of other libraries hold their codes."""
    layer = nn.Linear(64, 10)
    layer.weight = nn.Parameter(torch.zeros(10, 64, dtype=torch.int8), requires_grad=False)
    return nn.Sequential(nn.Flatten(), layer)


@pytest.mark.parametrize(
    ("network", "says"),
    [
        (Detached(), r"model: net\.head: the model cannot be traced .* keep detach"),
        (Attending(), r"model: nothing can be pruned: net\.body \(a MultiheadAttention cannot follow"),
        (Blended(), r"model: net\.mix .*not known here; build it from linear layers"),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), "no layer has channels that can be removed; give a network"),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(64, 9)),
            r"model: must answer two images with logits of shape \(2, 10\)",
        ),
        (nn.Sequential(nn.Linear(63, 10)), "model: cannot take images of"),
        (nn.Sequential(*net()).double(), r"model: parameter .* give model\.float\(\)"),
        (Noisy(), r"model: .*differs between two runs in evaluation mode; .*training=self\.training"),
        (with_nan_in_a_buffer(), r"model: tensor '2\.running_mean' contains NaN"),
        (quantized(), r"model: 1 is quantized \(Dynamic.* give the network that it was made from"),
        (in_integers(), r"model: 1 is quantized \(Linear.* give the network that it was made from"),
        (normed(parametrizations.weight_norm), r"model: 1: its weight is computed .*remove_parametrizations\(layer"),
        (normed(parametrizations.spectral_norm), r"model: 1: its weight is computed .*remove_parametrizations\(layer"),
        (normed(nn.utils.weight_norm), r"model: 1: its weight is computed .*remove_weight_norm\(layer"),
        (normed(nn.utils.spectral_norm), r"model: 1: its weight is computed .*remove_spectral_norm\(layer"),
        (
            normed(lambda layer: nn.utils.prune.l1_unstructured(layer, "weight", amount=0.5)),
            r"model: 1: its weight is computed .*prune\.remove\(layer",
        ),
    ],
)
def test_networks_that_cannot_be_pruned_are_refused_with_the_layer_and_the_remedy(
    network: nn.Module, says: str, tmp_path: Path
) -> None:
    given = Given(model=network, images=load_images("digits"))
    with pytest.raises(InputError, match=says):
        load_workload(SPEC, cache_dir=tmp_path, progress=lambda *_: None, given=given)


def test_a_layer_that_cannot_be_pruned_stays_dense_and_is_named(tmp_path: Path) -> None:
    given = Given(model=Mixed(), images=load_images("digits"))
    workload = load_workload(SPEC, cache_dir=tmp_path, progress=lambda *_: None, given=given)
    assert [group.name for group in workload.family.layout.groups] == ["net.hidden"]
    (note,) = [note for note in workload.notes if note.startswith("layers that stay dense")]
    assert "net.stuck (" in note and "net.hidden (" not in note


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"shape": (1, 4, 5)}, "images: need float32 of shape n×1×4×5"),
        ({"train": Images(torch.zeros(6, 1, 4, 4).double(), torch.zeros(6).long())}, "need float32 .* got float64"),
        (
            {"test": Images(torch.full((6, 1, 4, 4), torch.nan), torch.zeros(6).long())},
            "6 contain NaN .* the first at 0",
        ),
        ({"classes": 2}, "images: labels must be one whole number per image, from 0 to 1"),
    ],
)
def test_images_that_do_not_fit_what_they_say_are_refused(changes: dict[str, Any], says: str) -> None:
    part = Images(torch.zeros(6, 1, 4, 4), torch.arange(6) % 3)
    fields: dict[str, Any] = {"name": "corners", "shape": (1, 4, 4), "classes": 3, "train": part, "test": part}
    normalisation = Normalisation(mean=(0.0,), spread=(255.0,))
    Given(images=ImageData(**fields, normalisation=normalisation))
    with pytest.raises(InputError, match=says):
        Given(images=ImageData(**{**fields, **changes}, normalisation=normalisation))


def test_what_is_given_is_not_named_as_well(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    for option in ("weights", "data"):
        spec = SPEC.model_copy(update={option: str(tmp_path)})
        with pytest.raises(InputError, match=f"{option}: .* leave it out"):
            optimize(spec, store=store, cache_dir=tmp_path, model=nn.Sequential(*net()), images=load_images("digits"))


def test_labels_in_another_order_than_the_network_learnt_are_pointed_out(tmp_path: Path) -> None:
    images = load_images("digits")
    pixels = images.train.pixels.flatten(1)
    means = torch.stack([pixels[images.train.labels == label].mean(dim=0) for label in range(10)])
    nearest = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Linear(64, 10))
    nearest.load_state_dict(
        {"1.weight": torch.eye(64), "1.bias": torch.zeros(64), "2.weight": 2 * means, "2.bias": -means.square().sum(1)}
    )
    order = torch.tensor([0, 1, 3, 4, 5, 6, 7, 8, 9, 2])  # that of "0", "1", "10", "2", …
    permuted = replace(images, train=Images(images.train.pixels, order[images.train.labels]))
    spec = SPEC.model_copy(update={"allow_untrained": False})
    load_workload(spec, cache_dir=tmp_path, progress=lambda *_: None, given=Given(model=nearest, images=images))
    with pytest.raises(InputError, match="the labels seem permuted"):
        load_workload(spec, cache_dir=tmp_path, progress=lambda *_: None, given=Given(model=nearest, images=permuted))
