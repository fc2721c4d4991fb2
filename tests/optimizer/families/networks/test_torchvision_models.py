"""torchvision's architectures and weight files: sizes, channels, hashes, heads, and what is refused."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from bright_corners import CLASSES, write_images
from torch import nn
from torchvision import models

from optimizer.errors import InputError
from optimizer.families.encoders.load import check_workload, load_workload
from optimizer.families.networks.classifier import ImageClassifier
from optimizer.families.networks.models import IMAGE_MODELS, new_model
from optimizer.families.networks.names import IMAGE_MODEL_NAMES, SMALLEST
from optimizer.families.networks.network import read_network
from optimizer.families.networks.origins import IMAGENET
from optimizer.families.networks.torchvision_models import head_of, stem_of
from optimizer.families.networks.weights import fit_weights, read_weights
from optimizer.spec import StudySpec
from search_spaces.config import Config
from search_spaces.layouts.layout import UnprunableModelError
from search_spaces.layouts.traced.discover import discover_channels
from search_spaces.transforms.units.materialize import outline

SIDE = 32


def saved(content: object, name: str, place: Path) -> Path:
    """Save what torch saves, under a name with its hash."""
    file = place / "unnamed.pth"
    torch.save(content, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return file.rename(place / f"{name}-{digest[:8]}.pth")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A resnet18 of torchvision's own making, as many classes as the data, no training."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return saved(models.resnet18(num_classes=CLASSES).state_dict(), "resnet18", tmp_path_factory.mktemp("w"))


def spec_of(file: Path, **changes: object) -> StudySpec:
    fields: dict[str, object] = {
        "model": "resnet18",
        "weights": str(file),
        "task": "bloodmnist",
        "epsilon": 0.5,
        "allow_untrained": True,
        "calibration_examples": 32,
        "trials": 2,
        "batch_sizes": (1,),
        "measure_seconds": 0.02,
        "threads": 1,
    }
    return StudySpec.model_validate({**fields, **changes})


def test_every_name_on_offer_has_a_network_and_the_other_way_round() -> None:
    assert set(IMAGE_MODEL_NAMES) == set(IMAGE_MODELS)


@pytest.mark.parametrize("name", SMALLEST)
def test_grey_images_as_small_as_an_architecture_takes_reach_its_first_convolution_as_they_are(name: str) -> None:
    side = SMALLEST[name]
    with torch.device("meta" if "regnet" not in name else "cpu"):  # RegNet computes its widths by tensors
        model = new_model(name, (1, side, side), 5, seed=0, from_torchvision=True).eval().to("meta")
    images = torch.empty(2, 1, side, side, device="meta")
    assert model(images).shape == (2, 5)
    assert model.get_submodule(stem_of(model)).in_channels == 1
    assert model.get_submodule(head_of(model)).out_features == 5
    assert not any("Aux" in path for path, _ in model.named_modules())
    if side > 1:
        with pytest.raises(RuntimeError):
            model(images[:, :, 1:])
        with pytest.raises(InputError, match=f"model: {name} needs images of at least {side} pixels.*larger"):
            new_model(name, (3, side - 1, side), 5, seed=0, from_torchvision=True)


def test_without_torchvision_its_networks_are_refused_and_the_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)  # as where it is not installed
    with pytest.raises(InputError, match=r"pip install 'pruning-optimizer\[vision\]'"):
        check_workload(StudySpec(model="alexnet", task="digits", epsilon=0.01))
    with pytest.raises(InputError, match=r"pip install 'pruning-optimizer\[vision\]'"):
        new_model("densenet121", (3, 64, 64), 10, seed=0)
    check_workload(StudySpec(model="resnet18", task="digits", epsilon=0.01))
    assert isinstance(new_model("vgg11", (1, 28, 28), 10, seed=0), nn.Module)


def test_torchvision_is_not_imported_unless_one_of_its_networks_is_built() -> None:
    code = (
        "import sys; from optimizer.families.networks.models import new_model;"
        "new_model('resnet18', (1, 28, 28), 10, seed=0); sys.exit('torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[4], check=False).returncode == 0


def test_weights_of_as_many_classes_keep_their_head(weights: Path) -> None:
    model = new_model("resnet18", (3, SIDE, SIDE), CLASSES, seed=0, from_torchvision=True)
    tensors = read_weights(weights)
    assert fit_weights(model, tensors, weights)
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in model.state_dict().items())


def test_weights_of_other_classes_leave_the_new_head_as_it_was_drawn(weights: Path) -> None:
    model = new_model("resnet18", (3, SIDE, SIDE), 3, seed=0, from_torchvision=True)
    drawn = model.fc.weight.clone()
    assert not fit_weights(model, read_weights(weights), weights)
    assert torch.equal(model.fc.weight, drawn)
    assert torch.equal(model.conv1.weight, read_weights(weights)["conv1.weight"])


def test_a_grey_image_is_answered_as_the_same_image_in_three_channels(weights: Path) -> None:
    grey, colour = (
        new_model("resnet18", (channels, SIDE, SIDE), CLASSES, seed=0, from_torchvision=True).eval()
        for channels in (1, 3)
    )
    for model in (grey, colour):
        fit_weights(model, read_weights(weights), weights)
    image = torch.randn(2, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(grey(image), colour(image.expand(-1, 3, -1, -1)), atol=1e-4)


def test_the_old_names_in_densenets_file_are_understood(tmp_path: Path) -> None:
    model = models.densenet121(num_classes=5)
    old = {
        name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): tensor
        for name, tensor in model.state_dict().items()
    }
    assert "features.denseblock1.denselayer1.conv.2.weight" in old
    file = saved(old, "densenet121", tmp_path)
    assert fit_weights(new_model("densenet121", (3, 32, 32), 5, seed=0), read_weights(file), file)


def test_a_file_that_is_not_what_its_name_says_is_refused(weights: Path, tmp_path: Path) -> None:
    changed = tmp_path / "resnet18-00000000.pth"
    changed.write_bytes(weights.read_bytes())
    with pytest.raises(InputError, match=r"weights: the SHA-256 .* download it again"):
        read_weights(changed)


@pytest.mark.parametrize("content", [nn.Linear(2, 2), {"state_dict": {"a": torch.zeros(1)}}, [torch.zeros(1)]])
def test_a_file_with_anything_but_tensors_is_refused(content: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"weights: .*(not a file of weights alone|must hold a state dict)"):
        read_weights(saved(content, "resnet18", tmp_path))


def test_weights_of_another_architecture_are_refused(weights: Path) -> None:
    with pytest.raises(InputError, match=r"weights: .* does not fit the architecture: (Missing|size)"):
        fit_weights(
            new_model("resnet34", (3, 64, 64), 8, seed=0, from_torchvision=True), read_weights(weights), weights
        )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"weights": "resnet18-f37072fd.pth"}, "weights: there is no file"),
        ({"model": "mlp-small"}, "weights: is for torchvision's alexnet"),
        ({"model": "bert-base", "task": "sst2"}, "weights: is for image networks"),
    ],
)
def test_weights_that_cannot_be_are_refused_before_anything_is_loaded(
    weights: Path, changes: dict[str, object], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        check_workload(spec_of(weights, **changes))


def test_a_name_without_a_hash_is_refused(weights: Path, tmp_path: Path) -> None:
    plain = tmp_path / "resnet18.pth"
    plain.write_bytes(weights.read_bytes())
    with pytest.raises(InputError, match=r"weights: resnet18.pth does not carry its hash; name it .* SHA-256"):
        check_workload(spec_of(plain))


def test_a_study_of_weights_is_normalised_as_they_were_trained_and_rebuilt_by_torchvision(
    weights: Path, tmp_path: Path
) -> None:
    spec = spec_of(weights, data=str(write_images(tmp_path / "data", side=SIDE)))
    workload = load_workload(spec, cache_dir=tmp_path / "cache", progress=lambda *_: None)
    assert any("its head included" in note for note in workload.notes)
    assert any("the network was already trained" in note for note in workload.notes)
    assert not (tmp_path / "cache").exists()
    workload.family.save(workload.model, tmp_path)
    network = read_network(tmp_path)
    assert network is not None and network.mean == IMAGENET.mean
    kept = {group.name: group.levels[0] for group in workload.family.layout.groups}
    model = network.build()
    small: Any = outline(model, network.layout_of(model), Config.of(kept))
    assert small.net.conv1.kernel_size == (7, 7)
    assert small.net.conv1.out_channels == kept["net.conv1"] < 64


def test_quantised_weights_are_not_taken_for_floats(weights: Path) -> None:
    model = new_model("resnet18", (3, SIDE, SIDE), CLASSES, seed=0, from_torchvision=True)
    tensors = {**read_weights(weights), "layer1.0.conv1.weight": torch.ones(64, 64, 3, 3, dtype=torch.int8)}
    with pytest.raises(InputError, match=r"weights: .*: layer1\.0\.conv1\.weight is of torch\.int8"):
        fit_weights(model, tensors, weights)


def test_a_network_that_shuffles_its_channels_is_refused_by_its_class() -> None:
    network = models.shufflenet_v2_x0_5(num_classes=CLASSES)
    refused = r"ShuffleNetV2: torch-pruning cannot follow its channels .*prune it by masks"
    with pytest.raises(UnprunableModelError, match=refused):
        discover_channels(ImageClassifier(network), {"pixel_values": torch.randn(2, 3, SIDE, SIDE)})
