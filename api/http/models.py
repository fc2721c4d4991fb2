"""Models: what the service takes and answers, besides the views that the command line prints too."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from optimizer.errors import BrokenSpecError
from optimizer.fields.bounds import AsWritten, AtMost, Readable
from optimizer.fields.fields import MODEL, SEARCH, Shown
from optimizer.spec import StudySpec
from studies.jobs import Job
from studies.records import LONGEST_NOTE, LONGEST_TAG, MOST_TAGS, Study, StudyState

Item = TypeVar("Item")
SLUG = r"^([0-9]*[a-z]|[0-9]+[._\-])[a-z0-9._\-]*$"  # for JSON Schema and browsers; the store says it in words


class Page(BaseModel, Generic[Item]):
    """A part of a list; `next` is the cursor of the part after it, null at the end."""

    items: list[Item]
    next: str | None


class StudyRequest(StudySpec):
    """A new study: the fields of a spec, and how it is queued."""

    name: Annotated[Annotated[str, Readable(), AtMost(80)] | None, Shown(MODEL)] = Field(
        None,
        description="a-z, 0-9, '.', '_' and '-', beginning with a letter or digit, not digits alone; "
        "default: built from model and task.",
        json_schema_extra={"pattern": SLUG},
    )
    priority: Annotated[int, Field(ge=-10, le=10), AsWritten(), Shown(SEARCH)] = Field(
        0, description="Of one key's studies, those with a higher priority run first."
    )

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"model": "bert-base", "task": "sst2", "epsilon": 0.01, "trials": 100, "name": "first"}]
        }
    )

    def spec(self) -> StudySpec:
        """Return the spec alone."""
        return StudySpec.model_validate(self.model_dump(exclude={"name", "priority"}))


class ResumeRequest(BaseModel):
    """How to resume a study."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    epsilon: Annotated[float, Field(gt=0, lt=1), AsWritten()] | None = Field(
        None, description="a larger ε than the study's own"
    )


class LabelsRequest(BaseModel):
    """A study's tags and note; a field left out stays as it is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"tags": ["paper"], "note": "the one"}]})

    tags: Annotated[tuple[Annotated[str, Readable(), AtMost(LONGEST_TAG)], ...], AtMost(MOST_TAGS)] | None = None
    note: Annotated[str, AtMost(LONGEST_NOTE)] | None = None


class StudyView(BaseModel):
    """A study without its candidates."""

    id: int
    study: str
    state: StudyState
    spec: dict[str, Any]  # Any: JSON data, a StudySpec
    error: str | None
    broken: str | None = Field(
        None, description="why the stored settings cannot be read; nothing else works on it then"
    )
    revision: int
    created_at: datetime
    updated_at: datetime
    seconds: dict[str, float]
    tags: tuple[str, ...] = ()
    note: str = ""

    @classmethod
    def of(cls, study: Study) -> StudyView:
        """Return the view of a stored study."""
        return cls(
            id=study.id,
            study=study.slug,
            state=study.state,
            spec=dict(study.spec),
            error=study.error,
            broken=why_broken(study),
            revision=study.revision,
            created_at=study.created_at,
            updated_at=study.updated_at,
            seconds=dict(study.seconds),
            tags=study.tags,
            note=study.note,
        )


def why_broken(study: Study) -> str | None:
    """Return why the stored settings of a study cannot be read; None if they can."""
    try:
        StudySpec.stored(study.spec)
    except BrokenSpecError as error:
        return str(error)
    return None


class JobView(BaseModel):
    """A piece of work for the workers."""

    id: int
    kind: str
    state: str
    attempts: int
    error: str | None
    result: dict[str, Any] | None  # Any: JSON data
    expires_at: datetime | None = Field(None, description="from when the files of an export are kept no longer")

    @classmethod
    def of(cls, job: Job, *, expires_at: datetime | None = None) -> JobView:
        """Return the view of a stored job."""
        return cls(
            id=job.id,
            kind=job.kind,
            state=job.state,
            attempts=job.attempts,
            error=job.error,
            result=dict(job.result) if job.result else None,
            expires_at=expires_at,
        )
