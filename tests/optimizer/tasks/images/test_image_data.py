"""Image data from scikit-learn and from directories: shapes, splits, normalisation, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from encoded_images import encoded

from optimizer.errors import InputError, UnknownNameError
from optimizer.tasks.images.data import load_images, stratified_indices

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (40, 28, 28), dtype=np.uint8)
LABELS = np.arange(40) % 10


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


def write_folder(folder: Path, images: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for index, image in enumerate(images):
        (folder / f"{index:03}.png").write_bytes(encoded(image))


def write_npz(path: Path, side: int, labels: np.ndarray) -> None:
    images = RNG.integers(0, 256, (len(labels), side, side, 3), dtype=np.uint8)
    parts = {"train": slice(None), "val": slice(3), "test": slice(4)}
    arrays = {f"{part}_images": images[some] for part, some in parts.items()}
    np.savez(path, **arrays, **{f"{part}_labels": labels[some, None] for part, some in parts.items()})


def test_shards_of_parquet_as_the_hub_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for shard in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"):
        write_parquet(tmp_path / "data", shard, GREY[:10])
    data = load_images("mnist", directory=tmp_path)
    assert (len(data.train), len(data.test), data.validation) == (20, 10, None)


@pytest.mark.parametrize(("file", "side"), [("bloodmnist.npz", 28), ("bloodmnist_224.npz", 224)])
def test_npz_as_the_medical_sets_have_it(file: str, side: int, tmp_path: Path) -> None:
    write_npz(tmp_path / file, side, np.arange(16) % 8)
    write_npz(tmp_path / "octmnist.npz", 28, np.arange(16) % 4)
    data = load_images("bloodmnist", directory=tmp_path)
    assert (data.shape, data.classes, len(data.test)) == ((3, side, side), 8, 4)
    assert data.validation is not None
    assert len(data.validation) == 3


def test_several_npz_files_of_one_set_are_refused(tmp_path: Path) -> None:
    for file in ("octmnist.npz", "octmnist_224.npz"):
        write_npz(tmp_path / file, 28, np.arange(16) % 4)
    with pytest.raises(InputError, match="several npz files; leave one of octmnist"):
        load_images("octmnist", directory=tmp_path)


def test_the_package_medmnist_fetches_what_is_medical() -> None:
    medmnist = pytest.importorskip("medmnist", reason="the package medmnist is not installed")
    if not (Path(medmnist.info.DEFAULT_ROOT) / "pneumoniamnist.npz").exists():
        pytest.skip("pneumoniamnist is not in medmnist's directory, and tests fetch nothing")
    data = load_images("pneumoniamnist")
    assert (data.shape, data.classes, len(data.test)) == ((1, 28, 28), 2, 624)


def test_folders_of_classes_are_split_as_the_paper_splits_its_images(tmp_path: Path) -> None:
    for name, images in (("screw", GREY[:30]), ("star", GREY[30:])):
        write_folder(tmp_path / name, images)
    one, other = (load_images("mvtec_3d", directory=tmp_path) for _ in range(2))
    assert one.validation is not None
    assert [len(part) for part in (one.train, one.validation, one.test)] == [28, 4, 8]
    assert [int((part.labels == 1).sum()) for part in (one.validation, one.test)] == [1, 2]
    assert torch.equal(one.test.pixels, other.test.pixels)
    everything = torch.cat([one.train.pixels, one.validation.pixels, one.test.pixels])
    assert len(torch.unique(everything.flatten(1), dim=0)) == 40


def test_folders_with_a_split_of_their_own_keep_it(tmp_path: Path) -> None:
    for part, images in (("train", GREY[:20]), ("val", GREY[20:26]), ("test", GREY[26:30])):
        for index, name in enumerate(("screw", "star")):
            write_folder(tmp_path / part / name, images[index::2])
    data = load_images("mvtec_3d", directory=tmp_path)
    assert data.validation is not None
    assert [len(part) for part in (data.train, data.validation, data.test)] == [20, 6, 4]


def test_visa_is_read_as_it_comes_without_its_masks(tmp_path: Path) -> None:
    large = RNG.integers(0, 256, (10, 260, 300, 3), dtype=np.uint8)
    for index, name in enumerate(("candle", "pcb1")):
        images = tmp_path / name / "Data" / "Images"
        write_folder(images / "Normal", large[: 4 + index])
        write_folder(images / "Anomaly", large[8:])
        write_folder(tmp_path / name / "Data" / "Masks" / "Anomaly", large[8:, :, :, 0])
    data = load_images("visa", directory=tmp_path)
    assert (data.shape, data.classes, data.validation) == ((3, 224, 224), 2, None)
    assert [len(part) for part in (data.train, data.test)] == [10, 3]


def test_a_test_part_without_labels_is_replaced_by_the_validation_part(tmp_path: Path) -> None:
    write_parquet(tmp_path, "train", GREY)
    write_parquet(tmp_path, "validation", GREY[:6])
    cells = [{"bytes": encoded(image), "path": None} for image in GREY]
    pq.write_table(pa.table({"image": cells, "label": [-1] * len(cells)}), tmp_path / "test.parquet")
    data = load_images("imagenet-1k", directory=tmp_path)
    assert (len(data.test), data.validation, data.classes) == (6, None, 1000)


def test_images_that_are_not_used_are_not_decoded(tmp_path: Path) -> None:
    write_parquet(tmp_path, "train", GREY)
    broken = [{"bytes": b"no image", "path": None}] * 9 + [{"bytes": encoded(GREY[0]), "path": None}]
    pq.write_table(pa.table({"image": broken, "label": [0] * 9 + [1]}), tmp_path / "test.parquet")
    seen = [stratified_indices(np.array([0] * 9 + [1]), 1, seed)[0] for seed in range(40)]
    assert len(load_images("mnist", directory=tmp_path, test_examples=1, seed=seen.index(9)).test) == 1


def test_large_images_are_shrunk() -> None:
    data = load_images("digits", train_examples=60, test_examples=20, largest=4)
    assert data.shape == (1, 4, 4)


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
    with pytest.raises(InputError, match=r"data: train\.parquet, row 0 has 20×28 pixels, those of the task have 28×28"):
        load_images("mnist", directory=tmp_path)


def test_images_that_differ_in_shape_are_refused(tmp_path: Path) -> None:
    for name, size in (("Normal", 20), ("Anomaly", 24)):
        write_folder(tmp_path / name, GREY[:6, :size])
    with pytest.raises(
        InputError, match=r"as many pixels: Normal/000\.png has 20×28, Anomaly/000\.png has 24×28; resize"
    ):
        load_images("visa", directory=tmp_path)


def test_parts_that_differ_in_shape_are_refused(tmp_path: Path) -> None:
    for part, size in (("train", 20), ("test", 24)):
        for name in ("Normal", "Anomaly"):
            write_folder(tmp_path / part / name, GREY[:3, :size])
    with pytest.raises(InputError, match=r"train/Anomaly/000\.png has 20×28, test/Anomaly/000\.png has 24×28; resize"):
        load_images("visa", directory=tmp_path)


def test_a_class_that_train_has_not_is_refused(tmp_path: Path) -> None:
    for folder in ("train/screw", "train/star", "test/nut"):
        write_folder(tmp_path / folder, GREY[:3])
    with pytest.raises(InputError, match="test has the class 'nut', which train lacks"):
        load_images("mvtec_3d", directory=tmp_path)


def test_one_class_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "train" / "good", GREY[:3])
    with pytest.raises(InputError, match="one class 'good'; two are needed"):
        load_images("mvtec_3d", directory=tmp_path)


def test_labels_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "octmnist.npz", train_images=GREY, train_labels=LABELS.astype(np.float32))
    with pytest.raises(
        InputError, match=r"data: octmnist\.npz: train_labels must hold whole numbers from 0 on, got float32"
    ):
        load_images("octmnist", directory=tmp_path)


def test_labels_beyond_the_classes_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "octmnist.npz", train_images=GREY, train_labels=LABELS)
    with pytest.raises(InputError, match=r"(train|test) has the label [4-9]; those of the task are 0 to 3"):
        load_images("octmnist", directory=tmp_path)


def test_a_set_to_be_fetched_by_hand_says_where_from_and_where_to() -> None:
    with pytest.raises(
        InputError, match=r"download mvtec_3d from https://www\.kaggle\.com.*CLASS/.*pass its directory as `data`"
    ):
        load_images("mvtec_3d")


@pytest.mark.parametrize("make", [lambda path: path / "nowhere", lambda path: path])
def test_a_directory_without_images_is_refused(make: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="data: "):
        load_images("mnist", directory=make(tmp_path))


def test_a_broken_image_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_folder(tmp_path / "train" / name, GREY[:3])
    (tmp_path / "train" / "a" / "000.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="cannot be read"):
        load_images("mvtec_3d", directory=tmp_path)
