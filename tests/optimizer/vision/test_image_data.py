"""Image data from scikit-learn and from directories: shapes, splits, normalisation, refusals."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from optimizer.errors import InputError, UnknownNameError
from optimizer.vision.data import load_images, stratified_indices

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (40, 28, 28), dtype=np.uint8)
LABELS = np.arange(40) % 10


def encoded(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


def write_parquet(directory: Path, part: str, images: np.ndarray) -> None:
    cells = [{"bytes": encoded(image), "path": None} for image in images]
    pq.write_table(pa.table({"image": cells, "label": LABELS[: len(images)]}), directory / f"{part}.parquet")


def test_digits_need_no_files_and_split_the_same_every_time() -> None:
    one, other = load_images("digits"), load_images("digits")
    assert (one.shape, one.classes) == ((1, 8, 8), 10)
    assert len(one.train) + len(one.test) == 1797
    assert torch.equal(one.test.labels, other.test.labels)


def test_normalisation_is_that_of_the_training_part() -> None:
    data = load_images("digits")
    assert float(data.train.pixels.mean()) == pytest.approx(0, abs=1e-5)
    assert float(data.train.pixels.std()) == pytest.approx(1, abs=1e-3)
    assert float(data.test.pixels.mean()) != pytest.approx(0, abs=1e-5)


def test_parquet_with_encoded_images(tmp_path: Path) -> None:
    write_parquet(tmp_path, "train", GREY)
    write_parquet(tmp_path, "test", GREY[:10])
    data = load_images("fashion_mnist", directory=tmp_path)
    assert data.train.pixels.shape == (40, 1, 28, 28)
    restored = data.test.pixels[:, 0] * GREY.std() + GREY.mean()
    np.testing.assert_allclose(restored.numpy(), GREY[:10], atol=1e-2)


def test_npz_as_the_medical_sets_have_it(tmp_path: Path) -> None:
    colour = RNG.integers(0, 256, (16, 28, 28, 3), dtype=np.uint8)
    labels = (np.arange(16) % 8)[:, None]
    np.savez(
        tmp_path / "bloodmnist.npz",
        train_images=colour,
        train_labels=labels,
        test_images=colour[:4],
        test_labels=labels[:4],
        val_images=colour[:4],
        val_labels=labels[:4],
    )
    data = load_images("bloodmnist", directory=tmp_path)
    assert (data.shape, data.classes, len(data.test)) == ((3, 28, 28), 8, 4)


def test_folders_of_classes(tmp_path: Path) -> None:
    for name, images in (("good", GREY[:6]), ("scratched", GREY[6:10])):
        (tmp_path / "train" / name).mkdir(parents=True)
        for index, image in enumerate(images):
            (tmp_path / "train" / name / f"{index}.png").write_bytes(encoded(image))
    data = load_images("visa", directory=tmp_path)
    assert (data.classes, len(data.train), len(data.test)) == (2, 8, 2)


def test_a_subset_keeps_the_shares_of_the_classes() -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    chosen = stratified_indices(labels, 20, seed=1)
    assert np.bincount(labels[chosen]).tolist() == [12, 6, 2]
    assert len(set(chosen)) == 20
    assert np.array_equal(chosen, stratified_indices(labels, 20, seed=1))


def test_examples_can_be_limited() -> None:
    data = load_images("digits", train_examples=100, test_examples=50)
    assert (len(data.train), len(data.test)) == (100, 50)


def test_an_unknown_name_gets_the_nearest_ones() -> None:
    with pytest.raises(UnknownNameError, match="fashion_mnist"):
        load_images("fashionmnist")


def test_images_of_another_shape_are_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path, "train", GREY[:, :20])
    with pytest.raises(InputError, match=r"--data: train images are 1×20×28, expected 1×28×28"):
        load_images("mnist", directory=tmp_path)


def test_images_that_differ_in_shape_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train" / "a").mkdir(parents=True)
    for index, size in enumerate((20, 24)):
        (tmp_path / "train" / "a" / f"{index}.png").write_bytes(encoded(GREY[0, :size]))
    with pytest.raises(InputError, match="one shape, got 1×20×28, 1×24×28; resize"):
        load_images("visa", directory=tmp_path)


def test_labels_beyond_the_classes_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "octmnist.npz", train_images=GREY, train_labels=LABELS)
    with pytest.raises(InputError, match=r"train labels must lie in 0 … 3, got up to 9|test labels"):
        load_images("octmnist", directory=tmp_path)


def test_a_set_to_be_fetched_by_hand_says_where_from_and_where_to() -> None:
    with pytest.raises(InputError, match=r"fetched by hand from https://www\.mvtec\.com.*give --data DIR"):
        load_images("mvtec_3d")


@pytest.mark.parametrize("make", [lambda path: path / "nowhere", lambda path: path])
def test_a_directory_without_images_is_refused(make: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--data"):
        load_images("mnist", directory=make(tmp_path))


def test_a_broken_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train" / "a").mkdir(parents=True)
    (tmp_path / "train" / "a" / "0.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="cannot be read"):
        load_images("visa", directory=tmp_path)
