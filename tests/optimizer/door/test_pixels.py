"""Images in memory: taken as the numbers they are, bytes as pixels; what is no image is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image
from tiny_vision import tiny_vision
from transformers import ViTImageProcessorPil

from optimizer.door.data import taken_data
from optimizer.door.seeing import seeing
from optimizer.door.taken import Taken
from optimizer.errors import InputError
from optimizer.families.encoders.load import load_workload
from optimizer.given import Given
from optimizer.spec import StudySpec
from optimizer.tasks.images.data import ImageData, Images
from optimizer.tasks.images.fresh import fresh_images

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (40, 3, 4, 4), dtype=np.uint8)
LABELS = np.arange(40) % 4


def images(data: object, *, is_trained: bool = False) -> ImageData:
    found = taken_data(data, is_of_images=True, is_trained=is_trained).images
    assert found is not None
    return found


def test_numbers_are_taken_as_they_are_and_a_fifth_is_for_testing(tmp_path: Path) -> None:
    floats = PIXELS / 255
    found = images((floats, LABELS), is_trained=True)
    assert found.shape == (3, 4, 4)
    assert found.classes == 4
    assert (len(found.train), len(found.test)) == (32, 8)
    both = torch.cat([found.train.pixels, found.test.pixels])
    assert sorted(both.sum(dim=(1, 2, 3)).tolist()) == pytest.approx(sorted(floats.sum(axis=(1, 2, 3)).tolist()))
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.from_numpy(floats), torch.from_numpy(LABELS)), batch_size=7
    )
    other = images({"train": loader})
    assert torch.equal(other.train.pixels, found.train.pixels)
    PIL.Image.new("RGB", (4, 4)).save(tmp_path / "0.png")
    with pytest.raises(InputError, match="texts: the study was given numbers, and files cannot be prepared like them"):
        fresh_images(tmp_path, found, ())


def test_bytes_are_normalised_by_train_and_a_table_of_pictures_holds_bytes() -> None:
    splits = {"train": (PIXELS[:30], LABELS[:30]), "test": (PIXELS[30:], LABELS[30:])}
    found = images(splits)
    assert found.train.pixels.mean(dim=(0, 2, 3)).abs().max() < 1e-5
    assert found.normalisation.mean == pytest.approx(PIXELS[:30].mean(axis=(0, 2, 3)).tolist(), rel=1e-5)
    features = Features({"image": Image(), "label": ClassLabel(names=list("abcd"))})
    table = DatasetDict(
        {
            name: Dataset.from_dict({"image": list(x.transpose(0, 2, 3, 1)), "label": y.tolist()}, features=features)
            for name, (x, y) in splits.items()
        }
    )
    assert torch.equal(images(table).train.pixels, found.train.pixels)
    with pytest.raises(InputError, match="images of bytes; give the numbers that the network takes"):
        images(splits, is_trained=True)


def test_pictures_of_any_size_are_prepared_by_the_models_own_processor(tmp_path: Path) -> None:
    stock = ViTImageProcessorPil(size={"height": 8, "width": 8}, image_mean=[0.3] * 3, image_std=[0.2] * 3)
    model = tiny_vision("vit", 4, num_channels=3)
    rng = np.random.default_rng(0)
    shapes = [(9, 12), (8, 8), (20, 5)]
    pictures = [PIL.Image.fromarray(rng.integers(0, 255, (*shapes[i % 3], 3), dtype=np.uint8)) for i in range(40)]
    wanted = stock(images=pictures, return_tensors="pt")["pixel_values"]
    arrays = [np.asarray(picture).transpose(2, 0, 1) for picture in pictures]
    model.save_pretrained(tmp_path)
    stock.save_pretrained(tmp_path)
    for given, data in (((model, stock), pictures), (str(tmp_path), arrays), (PipelineLike(model, stock), pictures)):
        taken = Taken(given, {"train": (data, LABELS), "test": (data[:4], LABELS[:4])}, None, None, {})
        assert taken.given.images is not None
        torch.testing.assert_close(taken.given.images.train.pixels, wanted, atol=0, rtol=0)
    spec = StudySpec(model="mine", task="images", epsilon=0.5, allow_untrained=True, calibration_examples=16)
    given = Given(model=model, processor=taken.given.processor, images=replace(taken.given.images, test=unseen(wanted)))
    workload = load_workload(spec, cache_dir=tmp_path, progress=lambda *_: None, given=given)
    small = seeing(workload.model, workload.family.requests)
    with torch.inference_mode():
        assert small.predict(pictures[:3]) == model(wanted[:3]).logits.argmax(dim=1).tolist()
    with pytest.raises(InputError, match=r"has images of bytes; .* optimize\(\(model, processor\), …\)"):
        Taken(model, (arrays[1::3], LABELS[1::3]), None, None, {})


@dataclass
class PipelineLike:
    model: Any
    image_processor: Any
    tokenizer: Any = None


def unseen(pixels: torch.Tensor) -> Images:
    return Images(pixels[:8] + 1, torch.from_numpy(LABELS[:8]))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (({"train": (PIXELS / 255, LABELS), "test": (PIXELS, LABELS)}), "bytes in one split and other numbers"),
        ((PIXELS.transpose(0, 2, 3, 1)[:, :, :3] / 255, LABELS), r"channels last, .*; give X.transpose\(0, 3, 1, 2\)"),
        (([np.zeros((1, 4, 4)), np.zeros((1, 5, 4))] * 4, [0, 1] * 4), "different shapes; resize them"),
        (({"train": (PIXELS / 255, LABELS + 0.5)}), "needs one whole number per image"),
        (({"test": (PIXELS / 255, LABELS)}), "has no split 'train'; it has 'test'"),
        (({"train": (PIXELS / 255, LABELS), "dev": (PIXELS / 255, LABELS), "valid": (PIXELS, LABELS)}), "each once"),
    ],
)
def test_what_is_no_image_is_refused(data: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        images(data)
