"""Names: whether what a study names can exist, checked before anything is loaded or fetched."""

from __future__ import annotations

from optimizer.spec import StudySpec
from optimizer.vision.names import check_image_names, is_of_images
from optimizer.workloads.data import check_data
from optimizer.workloads.models import check_model_name
from optimizer.workloads.tasks import resolve_task


def check_names(spec: StudySpec) -> None:
    """Check names, paths and columns. Raises `InputError`, for an unknown name with the nearest ones."""
    if is_of_images(spec):
        check_image_names(spec)
        return
    task = resolve_task(spec)
    check_model_name(spec.model)
    check_data(spec, task)
