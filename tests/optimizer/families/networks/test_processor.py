"""Image processors of checkpoints: stock pixels, images of any size, and what cannot be read refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_vision import LAYERS
from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageClassification

from optimizer import optimize
from optimizer.door.seeing import seeing
from optimizer.errors import InputError
from optimizer.families.encoders.load import check_workload, load_workload
from optimizer.families.networks.processor import read_processor
from optimizer.spec import StudySpec
from optimizer.tasks.images.data import Normalisation
from optimizer.tasks.images.decode import decoded

KINDS: dict[str, dict[str, Any]] = {
    "ViTImageProcessor": {"size": {"height": 16, "width": 16}, "image_mean": [0.4, 0.5, 0.6]},
    "CLIPImageProcessor": {"size": {"shortest_edge": 18}, "crop_size": {"height": 16, "width": 16}},
    "SiglipImageProcessor": {"size": {"height": 16, "width": 16}, "resample": 3},
    "BeitImageProcessor": {"size": {"height": 20, "width": 20}, "do_center_crop": True, "crop_size": 16},
    "ConvNextImageProcessor": {"size": {"shortest_edge": 16}, "crop_pct": 0.9},
    "EfficientNetImageProcessor": {"size": {"height": 16, "width": 16}, "rescale_offset": True},
}


def write(place: Path, **said: Any) -> Path:
    place.mkdir(exist_ok=True)
    (place / "config.json").write_text(json.dumps({**LAYERS, "num_channels": 3, "model_type": "vit"}))
    (place / "preprocessor_config.json").write_text(json.dumps(said))
    return place


def pictures(place: Path) -> list[Path]:
    """Save smooth pictures of unequal sizes, in colour and grey, in formats that lose and do not."""
    rng = np.random.default_rng(0)
    files = []
    for name, mode, size in (("a.png", "RGB", (30, 20)), ("b.jpg", "RGB", (9, 15)), ("c.png", "L", (16, 16))):
        shape = (5, 5, 3) if mode == "RGB" else (5, 5)
        picture = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
        picture.save(place / name)
        files.append(place / name)
    return files


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_those_of_the_stock_processor(kind: str, tmp_path: Path) -> None:
    processor = read_processor(write(tmp_path / "m", image_processor_type=kind, **KINDS[kind]), 3)
    assert processor is not None
    files = pictures(tmp_path)
    found = [processor(decoded(file, file.name)) for file in files]
    processor.save(tmp_path)
    known: Any = AutoImageProcessor
    for backend, tolerance in (("pil", 0), ("torchvision", 0.05)):  # levels of 255, over the spread
        stock = known.from_pretrained(tmp_path, backend=backend)
        for file, image in zip(files, found, strict=True):
            wanted = stock(images=Image.open(file).convert("RGB"), return_tensors="pt")["pixel_values"][0]
            torch.testing.assert_close(torch.from_numpy(image.pixels), wanted, atol=tolerance, rtol=0)
    assert [image.remarks for image in found] == [(), (), ("in grey given three equal channels, as the model takes",)]
    if kind == "ViTImageProcessor":  # which leaves the third picture at its size
        mean, spread = (np.array(each)[:, None, None] for each in vars_of(processor.normalisation))
        np.testing.assert_allclose((decoded(files[2], "c").pixels - mean) / spread, found[2].pixels, atol=1e-5)


def vars_of(normalisation: Normalisation) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return normalisation.mean, normalisation.spread


def write_classes(root: Path, sizes: list[tuple[int, int]]) -> Path:
    """Save pictures of each size, in turn, of dark cats and bright dogs."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 24), ("test", 8)):
        for index in range(count):
            label, (width, height) = ("cat", "dog")[index % 2], sizes[index % len(sizes)]
            place = root / part / label
            place.mkdir(parents=True, exist_ok=True)
            picture = rng.integers(0, 100, (height, width, 3)) + (100 if label == "dog" else 0)
            Image.fromarray(picture.astype(np.uint8)).save(place / f"{index}.png")
    return root


def write_model(place: Path, **said: Any) -> Path:
    """Save a tiny vision transformer of colour images of 8 pixels, whose head calls dogs 0 and cats 2."""
    config = AutoConfig.for_model("vit", **{**LAYERS, "num_channels": 3}, id2label={0: "dog", 1: "fox", 2: "cat"})
    known: Any = AutoModelForImageClassification
    known.from_config(config).save_pretrained(place)
    if said:
        (place / "preprocessor_config.json").write_text(json.dumps(said))
    return place


SAID: dict[str, Any] = {"image_processor_type": "ViTImageProcessor", "size": {"height": 8, "width": 8}}


def loaded(model: Path, data: Path) -> Any:
    spec = StudySpec(model=str(model), data=str(data), task="pets", epsilon=0.5, allow_untrained=True)
    check_workload(spec)
    return load_workload(spec, cache_dir=model, progress=lambda *_: None)


def test_folders_of_any_size_are_read_as_the_checkpoint_says_and_labelled_as_its_head_does(tmp_path: Path) -> None:
    data = write_classes(tmp_path / "data", [(9, 20), (30, 12), (8, 8)])
    workload = loaded(write_model(tmp_path / "m", **SAID), data)
    known: Any = AutoImageProcessor
    stock = known.from_pretrained(tmp_path / "m", backend="pil")
    files = sorted(data.glob("test/*/*.png"))
    wanted = stock(images=[Image.open(file) for file in files], return_tensors="pt")["pixel_values"]
    found, labels = workload.verification.pixels, workload.verification.labels
    order = [int((found == image).flatten(1).all(1).nonzero()) for image in wanted]
    assert sorted(order) == list(range(len(files)))
    assert [labels[place] for place in order] == [{"cat": 2, "dog": 0}[file.parent.name] for file in files]
    assert workload.search_answers.shape[1] == 3
    workload.family.save(workload.model, tmp_path)
    assert vars(known.from_pretrained(tmp_path, backend="pil")) == vars(stock)
    sees_pictures(seeing(workload.model, workload.family.requests), files, wanted)
    more = write_classes(tmp_path / "more", [(11, 7), (14, 8)])  # to be labelled by names, read as the others
    fresh = workload.fresh(more, set())
    wanted = stock(images=[Image.open(more / name) for (name,) in fresh.contents], return_tensors="pt")["pixel_values"]
    assert (len(fresh.contents), fresh.classes) == (32, ("dog", "fox", "cat"))
    assert torch.equal(fresh.examples.pixels, wanted)
    with pytest.raises(InputError, match=r"no fresh images are left; .*that the study or an earlier purchase knows"):
        workload.fresh(data, set())


def test_labels_of_fewer_classes_than_the_head_calls_are_not_taken_for_other_classes(tmp_path: Path) -> None:
    model, rng = str(write_model(tmp_path / "m", **SAID)), np.random.default_rng(0)
    pixels, labels = rng.random((40, 3, 8, 8), dtype=np.float32), np.arange(40) % 2
    with pytest.raises(InputError, match="has labels up to 1, and the model's head calls 3 classes: 'dog', 'fox'"):
        optimize(model, (pixels, labels), progress=False)


def sees_pictures(model: Any, files: list[Path], pixels: torch.Tensor) -> None:
    with torch.inference_mode():
        logits = model(pixels).logits
    names = [("dog", "fox", "cat")[int(index)] for index in logits.argmax(dim=1)]
    pictures = [Image.open(file) for file in files]
    turned = pictures[0].transpose(Image.Transpose.ROTATE_90)
    turned.getexif()[0x0112] = 6  # EXIF: to be turned back by 90 degrees
    for given in (files, [*map(str, files)], [file.read_bytes() for file in files], [turned, *pictures[1:]]):
        torch.testing.assert_close(torch.from_numpy(model.outputs(given)), logits, atol=1e-6, rtol=0)
        assert model.predict(given) == names
    arrays = [np.asarray(picture) for picture in pictures]
    assert model.predict(arrays) == model.predict(pixels) == model.predict(pixels.numpy()) == names
    assert model.predict(pictures[1]) == names[1:2] and model.predict_proba(files).sum(1) == pytest.approx(1)
    torch.testing.assert_close(model(pictures), logits)
    for wrong, says in (
        ([1], "image 0 cannot be a.* int"),
        ([b"x"], "image 0 cannot be read"),
        ([arrays[0][..., :2]], "bytes"),
    ):
        with pytest.raises(InputError, match=says):
            model.predict(wrong)


def test_what_cannot_be_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    unequal = write_classes(tmp_path / "unequal", [(9, 20), (8, 8)])
    large = write_classes(tmp_path / "large", [(12, 12)])
    plain = write_model(tmp_path / "plain")
    with pytest.raises(InputError, match=r"data: all images must have as many pixels: .*preprocessor_config\.json"):
        loaded(plain, unequal)
    with pytest.raises(InputError, match=r"model: cannot take images of \(3, 12, 12\) .*save its image processor"):
        loaded(plain, large)
    with pytest.raises(InputError, match=r"data: all images must have as many pixels"):
        loaded(write_model(tmp_path / "as-it-is", **SAID, do_resize=False), unequal)
    for number, damage in enumerate(({"image_std": [0, 0, 0]}, {"image_mean": "x"}, {"size": {"side": 8}})):
        with pytest.raises(InputError, match=r"model: the image processor in .* cannot be loaded"):
            loaded(write_model(tmp_path / str(number), **{**SAID, **damage}), large)
    (unequal / "train" / "wolf").mkdir()
    Image.new("RGB", (8, 8)).save(unequal / "train" / "wolf" / "0.png")
    with pytest.raises(InputError, match=r"data: the class 'wolf' is not one of the model's: 'dog', 'fox', 'cat'"):
        loaded(write_model(tmp_path / "m", **SAID), unequal)
