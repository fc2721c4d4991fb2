"""Augmentation: shifted and mirrored images, the same for the same step, labels and the rest of a batch untouched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from optimizer.errors import InputError
from optimizer.families.networks.classifier import ImageClassifier
from optimizer.families.networks.models import new_model
from optimizer.spec import StudySpec
from optimizer.structure import check_structure
from optimizer.tasks.classification import Classification
from optimizer.tasks.images.examples import PIXELS, ImageExamples
from optimizer.training.augment import SHARE, Augmentation, augmentation_of, augmented
from optimizer.training.distill import DistillSettings, distill, student
from optimizer.training.teacher import Lesson

IMAGES = torch.arange(64 * 2 * 16 * 16, dtype=torch.float32).reshape(64, 2, 16, 16)
MOST = 16 // SHARE


def shifts(*, flips: bool) -> list[tuple[int, int, bool]]:
    """Return by how much each image of one step was shifted, and whether it was mirrored."""
    padded = F.pad(IMAGES, (MOST,) * 4, mode="reflect")
    places = [(down, right) for down in range(2 * MOST + 1) for right in range(2 * MOST + 1)]
    crops = {place: padded[:, :, place[0] : place[0] + 16, place[1] : place[1] + 16] for place in places}
    seen, found = Augmentation(flips=flips, seed=0)(IMAGES, 3), list[tuple[int, int, bool]]()
    for i, image in enumerate(seen):
        found += [(*place, False) for place, crop in crops.items() if torch.equal(image, crop[i])]
        found += [(*place, True) for place, crop in crops.items() if torch.equal(image, crop[i].flip(2))]
    return found


def test_every_image_is_a_crop_of_its_padded_self() -> None:
    found = shifts(flips=False)
    assert len(found) == len(IMAGES)
    assert not any(mirrored for _, _, mirrored in found)
    assert {down for down, _, _ in found} == {right for _, right, _ in found} == {*range(2 * MOST + 1)}


def test_half_of_the_images_are_mirrored_where_that_is_asked_for() -> None:
    found = shifts(flips=True)
    assert len(found) == len(IMAGES)
    assert 20 < sum(mirrored for _, _, mirrored in found) < 44


def test_a_step_sees_the_same_again_and_another_step_or_seed_sees_others() -> None:
    one = Augmentation(flips=True, seed=0)
    assert torch.equal(one(IMAGES, 5), one(IMAGES, 5))
    assert not torch.equal(one(IMAGES, 5), one(IMAGES, 6))
    assert not torch.equal(one(IMAGES, 5), Augmentation(flips=True, seed=1)(IMAGES, 5))


@pytest.mark.parametrize("channels", [1, 2])
def test_images_lie_in_memory_as_they_did(channels: int) -> None:
    images = IMAGES[:, :channels].contiguous()
    assert Augmentation(flips=True, seed=0)(images, 0).stride() == torch.empty(images.shape).stride()


def test_labels_stay_and_nothing_changes_where_nothing_is_asked_for() -> None:
    batch = {PIXELS: IMAGES, "labels": torch.arange(64)}
    assert augmented(batch, augmentation_of("none", seed=0), 0) is batch
    seen = augmented(batch, augmentation_of("crop", seed=0), 0)
    assert seen["labels"] is batch["labels"]
    assert seen[PIXELS].shape == IMAGES.shape
    assert not torch.equal(seen[PIXELS], IMAGES)


def test_a_student_of_augmented_images_resumes_with_what_it_would_have_seen(tmp_path: Path) -> None:
    examples = ImageExamples("train", IMAGES[:, :1] / 1000, np.arange(64) % 2, "hash")
    settings = DistillSettings(batch_size=16, augmentation=Augmentation(flips=True, seed=0))
    teacher = ImageClassifier(new_model("mlp-small", (1, 16, 16), 2, seed=0)).eval()

    def taught(name: str, *until: int) -> nn.Module:
        for step in until:
            model = ImageClassifier(new_model("mlp-small", (1, 16, 16), 2, seed=1))
            lesson = Lesson(Classification(), teacher, ())
            students = {name: student(model, lesson, 1e-3, settings, len(examples))}
            distill(students, examples, settings, until=step, folder=tmp_path, hear=lesson.hear)
        return model

    whole, resumed = taught("whole", 4), taught("resumed", 1, 4)
    assert all(torch.equal(tensor, resumed.state_dict()[name]) for name, tensor in whole.state_dict().items())


@pytest.mark.parametrize(
    ("task", "asked", "says"),
    [
        ("sst2", "crop", "augment: is for images"),
        ("digits", "crop-flip", "augment: mirror images of digits show other characters; use crop"),
    ],
)
def test_what_does_not_suit_the_data_is_refused_before_anything_is_loaded(task: str, asked: str, says: str) -> None:
    spec = StudySpec.model_validate({"model": "any", "task": task, "epsilon": 0.01, "augment": asked})
    with pytest.raises(InputError, match=says):
        check_structure(spec, is_of_images=task != "sst2")
