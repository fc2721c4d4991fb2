"""Roles of images: disjoint by their pixels, repeats counted, ties set aside."""

from __future__ import annotations

import pytest
import torch

from optimizer import ImageData, Images, Normalisation, StudySpec
from optimizer.errors import InputError
from optimizer.tasks.images.roles import roles_of

SPEC = StudySpec(model="mine", task="mine", epsilon=0.1)


def data(train: Images, test: Images) -> ImageData:
    plain = Normalisation(mean=(0.0,), spread=(1.0,))
    return ImageData(name="mine", shape=(1, 2, 2), classes=2, train=train, test=test, normalisation=plain)


def images(values: list[int], labels: list[int]) -> Images:
    return Images(torch.tensor(values).float()[:, None, None, None].expand(-1, 1, 2, 2), torch.tensor(labels))


def test_an_image_stands_once_and_in_one_role() -> None:
    distinct = list(range(20))
    train = images([*distinct, 0, 1, 1, 30], [*(v % 2 for v in distinct), 1, 0, 0, 0])  # 0: a tie; 1: outvoted
    test = images([30, 31, 31], [0, 1, 1])
    roles = roles_of(data(train, test), SPEC)
    seen = [sorted(part.pixels[:, 0, 0, 0].int().tolist()) for part in (roles.search, roles.rest, roles.verification)]
    assert sorted(seen[0] + seen[1]) == distinct[1:]
    assert seen[2] == [30, 31]
    assert int(dict(zip(roles.rest.pixels[:, 0, 0, 0].tolist(), roles.rest.labels, strict=True)).get(1.0, 0)) == 0
    assert roles.notes == (
        "test images: 1 repeats set aside",
        "train images: 2 repeats set aside",
        "train images: 1 kept with the label that most of their copies have",
        "train images: 2 set aside because as many of their copies have another label",
        "train images: 1 set aside because test has them too",
    )


def test_images_that_all_stand_in_two_classes_are_refused_with_the_reason() -> None:
    twice = images([*range(9), *range(9)], [0] * 9 + [1] * 9)
    with pytest.raises(InputError, match=r"only 0 different images .* set aside because as many of their copies"):
        roles_of(data(twice, twice), SPEC)
