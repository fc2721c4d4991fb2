"""Files of images: what is read of a directory, what is noted, what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from encoded_images import encoded
from PIL import Image

from optimizer.errors import InputError
from optimizer.tasks.images.data import ImageData, load_images

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 28, 28), dtype=np.uint8)
LABELS = np.arange(12) % 4


def folder(place: Path, kinds: Sequence[str] = ("png", "png"), images: np.ndarray = IMAGES) -> None:
    place.mkdir(parents=True)
    for index, kind in enumerate(kinds):
        Image.fromarray(images[index]).save(place / f"{index}.{kind}")


def classes(root: Path, *names: str, parts: Sequence[str] = ("train", "test")) -> None:
    for part in parts:
        for name in names:
            folder(root / part / name)


def parquet(place: Path, images: Sequence[Any], labels: Sequence[Any]) -> None:
    pq.write_table(pa.table({"image": images, "label": labels}), place)


def read(root: Path, name: str = "mvtec_3d") -> ImageData:
    return load_images(name, directory=root)


def test_hidden_folders_are_no_classes_and_what_is_not_read_is_noted(tmp_path: Path) -> None:
    classes(tmp_path, "ok", "bad")
    folder(tmp_path / "train" / ".ipynb_checkpoints")
    folder(tmp_path / "extra")
    (tmp_path / "train" / "ok" / "notes.txt").write_text("seen")
    data = read(tmp_path)
    assert (data.classes, len(data.train)) == (2, 4)
    assert data.notes == (
        "train: hidden files and folders not read: 1 (train/.ipynb_checkpoints)",
        "train: files other than images not read: 1 (train/ok/notes.txt)",
        "files and folders not read: 1 (extra)",
    )


def test_every_format_of_rasters_is_read(tmp_path: Path) -> None:
    kinds = ("png", "tif", "tiff", "PNG", "jpg", "jpeg", "bmp", "gif", "webp", "pgm")
    for name in ("ok", "bad"):
        folder(tmp_path / "train" / name, kinds)
        folder(tmp_path / "test" / name)
    assert len(read(tmp_path).train) == 2 * len(kinds)


def test_greys_beside_colours_become_three_equal_channels(tmp_path: Path) -> None:
    classes(tmp_path, "ok", "bad")
    Image.fromarray(RNG.integers(0, 256, (28, 28, 3), dtype=np.uint8)).save(tmp_path / "test" / "ok" / "9.png")
    data = read(tmp_path)
    assert data.shape == (3, 28, 28)
    assert data.notes == ("images in grey given three equal channels, as other images are in colour: 8",)


def test_sixteen_bits_are_no_black_and_white(tmp_path: Path) -> None:
    deep = RNG.integers(0, 65536, (4, 28, 28), dtype=np.uint16)
    for part in ("train", "test"):
        for name in ("ok", "bad"):
            folder(tmp_path / part / name, images=deep)
    data = read(tmp_path)
    assert len(np.unique(data.train.pixels.numpy())) > 1000
    assert data.notes == ("images of 16 bits scaled to 0…255: 8",)


def test_classes_that_are_numbers_are_labelled_by_value(tmp_path: Path) -> None:
    classes(tmp_path, *map(str, range(12)), parts=["train"])
    for index, image in enumerate(IMAGES):
        Image.fromarray(image).save(tmp_path / "train" / str(index) / "own.png")
    places = np.array([np.flatnonzero([(np.abs(p - i) < 1).all() for i in IMAGES])[-1] for p in pixels(read(tmp_path))])
    own = places > 1  # the first two stand in every class
    assert np.array_equal(read(tmp_path).train.labels.numpy()[own], places[own])


def pixels(data: ImageData) -> np.ndarray:
    return data.train.pixels[:, 0].numpy() * data.normalisation.spread[0] + data.normalisation.mean[0]


@pytest.mark.parametrize("names", [("C", "C#", "C++"), ("ok", "OK", "Ok"), ("负面", "正面", "中性")])
def test_classes_are_told_apart_to_the_letter(names: tuple[str, ...], tmp_path: Path) -> None:
    classes(tmp_path, *names)
    assert read(tmp_path).classes == 3


def test_parts_are_known_whatever_the_case_of_their_letters(tmp_path: Path) -> None:
    classes(tmp_path, "ok", "bad", parts=("Training", "Test"))
    data = read(tmp_path)
    assert (len(data.train), len(data.test)) == (4, 4)


def two_parts_of_one_name(root: Path) -> None:
    classes(root, "ok", "bad", parts=("train", "val", "valid"))


def image_without_class(root: Path) -> None:
    classes(root, "ok", "bad")
    Image.fromarray(IMAGES[0]).save(root / "train" / "cover.png")


def linked_class(root: Path) -> None:
    classes(root, "ok", "bad")
    (root / "train" / "loop").symlink_to(root / "train")


def broken_table(root: Path) -> None:
    (root / "train.parquet").write_bytes(b"")


def broken_image(root: Path) -> None:
    parquet(root / "train.parquet", [encoded(IMAGES[0]), b"no image"] * 4, [0, 1] * 4)


def tokens(root: Path) -> None:
    parquet(root / "train.parquet", [[1, 2], [3]], [0, 1])


def several_labels(root: Path) -> None:
    parquet(root / "train.parquet", [encoded(i) for i in IMAGES], [[0, 1]] * 12)


def words(root: Path) -> None:
    parquet(root / "train.parquet", [encoded(i) for i in IMAGES], ["a", "b"] * 6)


def huge(root: Path) -> None:
    parquet(root / "train.parquet", [encoded(i) for i in IMAGES], pa.array([2**64 - 1] * 12, pa.uint64()))


def arrays_of_huge_labels(root: Path) -> None:
    np.savez(root / "x.npz", train_images=IMAGES, train_labels=np.full(12, 2**64 - 1, dtype=np.uint64))


def two_labels(root: Path) -> None:
    columns = [pa.array([encoded(i) for i in IMAGES]), pa.array(LABELS), pa.array(LABELS)]
    pq.write_table(pa.Table.from_arrays(columns, ["image", "label", "label"]), root / "train.parquet")


def missing_shard(root: Path) -> None:
    for shard in (0, 2):
        parquet(root / f"train-0000{shard}-of-00003.parquet", [encoded(i) for i in IMAGES], LABELS.tolist())


def from_one(root: Path) -> None:
    parquet(root / "train.parquet", [encoded(i) for i in IMAGES], (LABELS + 1).tolist())


def below_none(root: Path) -> None:
    parquet(root / "train.parquet", [encoded(i) for i in IMAGES], [-2, *LABELS[1:].tolist()])


def outside(root: Path) -> None:
    parquet(root / "train.parquet", [{"bytes": None, "path": "../x.png"}] * 4, [0, 1, 0, 1])


def broken_arrays(root: Path) -> None:
    (root / "x.npz").write_bytes(b"PK\x03\x04 cut off")


def arrays_of_several_labels(root: Path) -> None:
    np.savez(root / "x.npz", train_images=IMAGES, train_labels=np.zeros((12, 14), dtype=np.int64))


def channels_first(root: Path) -> None:
    np.savez(root / "x.npz", train_images=np.zeros((12, 3, 28, 28), dtype=np.uint8), train_labels=LABELS)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (two_parts_of_one_name, "val and valid are the same part; leave one"),
        (image_without_class, r"train/cover\.png is outside the class folders"),
        (linked_class, "train/loop is a link to a folder"),
        (broken_table, r"train\.parquet cannot be read"),
        (broken_image, r"train\.parquet, row [1357] cannot be read: it is not an image"),
        (tokens, r"train\.parquet: column image must hold encoded images \(bytes\), got list"),
        (several_labels, r"train\.parquet: column label holds lists; give one class per image"),
        (words, r"train\.parquet: column label must hold whole numbers from 0 on, got string"),
        (huge, r"train\.parquet: column label must hold whole numbers from 0 on: .*18446744073709551615"),
        (arrays_of_huge_labels, r"train_labels must hold whole numbers from 0 on, got 18446744073709551615"),
        (two_labels, r"train\.parquet needs one column image and one column label, has image, label, label"),
        (missing_shard, r"train-00000-of-00003\.parquet: shards missing: 1; download all"),
        (from_one, "labels run from 1 to 4; subtract 1"),
        (below_none, "has the label -2"),
        (outside, r"column image, row 0 names a file outside of the data directory: \.\./x\.png"),
        (broken_arrays, r"x\.npz cannot be read"),
        (arrays_of_several_labels, r"train_labels has the shape 12×14; give one class per image"),
        (channels_first, r"train_images must be bytes of shape .* got uint8 of 12×3×28×28"),
    ],
)
def test_what_would_be_read_differently_is_refused_by_name(make: Any, says: str, tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(InputError, match=f"data: .*{says}"):
        read(tmp_path)


def test_rows_without_image_or_label_are_set_aside_and_counted(tmp_path: Path) -> None:
    cells = [{"bytes": encoded(image), "path": None} for image in IMAGES]
    parquet(tmp_path / "train.parquet", [*cells, None, {"bytes": None, "path": None}], [None, -1, *LABELS[2:], 0, 0])
    parquet(tmp_path / "test.parquet", cells, LABELS)
    data = read(tmp_path)
    assert (len(data.train), data.classes) == (10, 4)
    assert data.notes == (
        "rows without an image set aside: 2, the first in train.parquet, row 12",
        "train images without a label set aside: 2",
    )
