"""JSON views of what was spent: by stages of a study, by epochs of a training, by all trainings of a study."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

FROZEN = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
JOULES_PER_WH = 3600.0


class Account(BaseModel):
    """A frozen JSON view of what was spent."""

    model_config = FROZEN


class PartView(Account):
    """Joules of the processor, of memory or of a GPU; `own_joules` are this process's by its share, an estimate."""

    part: str
    joules: float
    own_joules: float
    source: str


class Accounted(Account):
    """What some work spent; `own_cpu_share` is the share of its work in the machine's processor time.

    Both memories are peaks.
    """

    seconds: float
    own_cpu_share: float
    resident_bytes: int
    peak_cuda_bytes: int | None
    parts: tuple[PartView, ...]

    @property
    def joules(self) -> float:
        """The joules of all parts."""
        return sum(part.joules for part in self.parts)

    @property
    def own_joules(self) -> float:
        """The joules of this process in all parts."""
        return sum(part.own_joules for part in self.parts)

    @property
    def wh(self) -> float:
        """The joules of all parts in watt-hours."""
        return self.joules / JOULES_PER_WH


class SpentView(Accounted):
    """What a stage of a run spent."""

    stage: str


class EpochView(Accounted):
    """What an epoch of a training spent; epochs are counted from 1.

    `of_epoch` is how much of it was taken: more than 1 where the trainings at several learning rates stand together.
    """

    epoch: int
    of_epoch: float


class OfTraining(Account):
    """What trainings spent; `own_joules` are an estimate by this process's share. Both memories are peaks."""

    seconds: float
    joules: float
    own_joules: float
    wh: float
    kwh: float
    resident_bytes: int
    peak_cuda_bytes: int | None


class TrainingView(OfTraining):
    """What a candidate's training spent, in all and by epoch."""

    epochs: tuple[EpochView, ...]


class TrainedView(OfTraining):
    """What the trainings of all candidates of a study spent together, in so many epochs.

    Those that an earlier study kept in the cache count with what they spent there.
    """

    candidates: int
    epochs: float
