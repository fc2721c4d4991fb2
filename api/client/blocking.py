"""The blocking client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack

from api.client.buying import Begun, FreshTexts
from api.client.connection import Connection
from api.client.events import LiveEvent
from api.client.filters import FrontFilter
from api.client.patience import Patience
from api.client.plans import Plan, emitted
from api.client.service import Service
from api.http.models import JobView, StudyView
from api.http.routes.candidates import Order
from api.http.routes.catalogue import ModelOffer, TaskOffer
from api.http.routes.key import KeyView
from api.http.routes.labels import WantedRows
from optimizer.fronts.bought import BATCH, Double, Standing
from optimizer.fronts.recommendation import Recommendation, Rule
from optimizer.spec import StudySpec
from optimizer.views.member import FrontResult, Member, RunResult
from studies.records import StudyState

Result = TypeVar("Result")


class Client:
    """Talks to a server. Studies are given by name or number; `timeout` is the longest silence, in seconds.

    Every method raises `ApiError` for what the server refuses, and `UnreachableError` if it does not answer.
    """

    def __init__(
        self, url: str, *, api_key: str | None = None, timeout: float = 30.0, patience: Patience | None = None
    ) -> None:
        self._connection = Connection(url, api_key=api_key, timeout=timeout)
        self._service = Service(patience or Patience())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the client is not used afterwards."""
        self._connection.close()

    def submit(
        self, spec: StudySpec, *, name: str | None = None, priority: int = 0, idempotency_key: str | None = None
    ) -> StudyView:
        """Submit a study. The same `idempotency_key` gives the same study again."""
        return self._run(self._service.submit(spec, name=name, priority=priority, idempotency_key=idempotency_key))

    def study(self, name: str) -> StudyView:
        """Return a study as it is now."""
        return self._run(self._service.study(name))

    def studies(
        self, *, state: StudyState | None = None, search: str | None = None, tag: str | None = None
    ) -> Iterator[StudyView]:
        """Yield the studies, newest first; `search` is part of a name."""
        return self._items(self._service.studies(state=state, search=search, tag=tag))

    def result(self, name: str) -> RunResult:
        """Return a whole run, so far as it has come."""
        return self._run(self._service.result(name))

    def front(self, name: str, **chosen: Unpack[FrontFilter]) -> FrontResult:
        """Return the front of what is stored, narrowed by a `FrontFilter`; an unchanged one comes from memory."""
        return self._run(self._service.front(name, chosen))

    def recommendation(
        self,
        name: str,
        rule: Rule = Rule.KNEE,
        *,
        weights: Mapping[str, float] | None = None,
        order: Sequence[str] | None = None,
        max_drop: float | None = None,
        **chosen: Unpack[FrontFilter],
    ) -> Recommendation:
        """Return one member of the front, chosen by a rule; `weights`, `order` and `max_drop` belong to theirs."""
        return self._run(
            self._service.recommendation(name, rule, weights=weights, order=order, max_drop=max_drop, chosen=chosen)
        )

    def candidates(
        self, name: str, *, sort: Order = Order.CANDIDATE, descending: bool = False, max_drop: float | None = None
    ) -> Iterator[Member]:
        """Yield the evaluated candidates of a study."""
        return self._items(self._service.candidates(name, sort=sort, descending=descending, max_drop=max_drop))

    def candidate(self, name: str, number: int) -> Member:
        """Return one candidate with all that was measured on it."""
        return self._run(self._service.candidate(name, number))

    def events(self, name: str, *, after: int = 0, follow: bool = True) -> Iterator[LiveEvent]:
        """Yield the events behind a sequence, then, with `follow`, those that come until the study has ended.

        Broken connections are reopened, without an event lost or repeated.
        """
        return self._items(self._service.events(name, after=after, follow=follow))

    def wait(self, name: str, *, listener: Callable[[LiveEvent], None] | None = None) -> RunResult:
        """Wait for the end of a study, telling a listener what happens, and return its result.

        Raises `StudyFailedError`, `StudyCancelledError`.
        """
        return self._run(self._service.wait(name, listener))

    def label(self, name: str, *, tags: Sequence[str] | None = None, note: str | None = None) -> StudyView:
        """Replace what is given of a study's tags and note."""
        return self._run(self._service.label(name, tags=tags, note=note))

    def cancel(self, name: str) -> StudyView:
        """Cancel a study. A running one stops after the candidate in flight at the latest."""
        return self._run(self._service.cancel(name))

    def resume(self, name: str, *, epsilon: float | None = None) -> JobView:
        """Resume a stopped study, or a complete one at a larger ε."""
        return self._run(self._service.resume(name, epsilon=epsilon))

    def delete(self, name: str) -> None:
        """Delete a study with all that belongs to it."""
        self._run(self._service.delete(name))

    def export(
        self, name: str, candidate: int, directory: Path, *, format: Literal["safetensors", "onnx"] = "safetensors"
    ) -> tuple[Path, ...]:
        """Export a candidate, fetch it into a new or empty directory, and return its files.

        Raises `ExportFailedError`, and `InputError` for a directory that is not empty.
        """
        return self._run(self._service.export(name, candidate, directory, format=format))

    def certify(
        self,
        name: str,
        texts: Path | str,
        *,
        candidates: Sequence[int] = (),
        double: Double | None = None,
        listener: Callable[[LiveEvent], None] | None = None,
    ) -> Begun:
        """Buy labels for fresh texts: a file of this machine, or a path of the server's; wait until they can be asked.

        `candidates` are verified members; by default those leaner than every certified one that no leaner one
        beats. `double` says which
        labels are asked twice, by default a tenth or as before. Raises `PurchaseFailedError`.
        """
        return self._run(self._service.certify(name, FreshTexts(texts, candidates, double), listener))

    def labels(self, name: str) -> Standing:
        """Return where the labels bought for a study stand, and what they say of its members."""
        return self._run(self._service.labels(name))

    def wanted_labels(self, name: str, *, batch: int = BATCH) -> WantedRows:
        """Return the rows to label now: those still open, else the next `batch` texts."""
        return self._run(self._service.wanted_labels(name, batch=batch))

    def give_labels(self, name: str, labels: Mapping[str, str] | Path) -> Standing:
        """Give labels by the id of their row, a class or "?", or a filled-in labelling file; return what all say."""
        return self._run(self._service.give_labels(name, labels))

    def models(self) -> list[ModelOffer]:
        """Return the models that have a short name."""
        return self._run(self._service.models())

    def tasks(self) -> list[TaskOffer]:
        """Return the tasks that are known."""
        return self._run(self._service.tasks())

    def key(self) -> KeyView:
        """Return the scopes and quotas of this client's key, and what it uses of them now."""
        return self._run(self._service.key())

    def samplers(self) -> list[str]:
        """Return the samplers on offer."""
        return self._run(self._service.names("samplers"))

    def objectives(self) -> list[str]:
        """Return the costs that can steer a search."""
        return self._run(self._service.names("objectives"))

    def _run(self, plan: Plan[Result]) -> Result:
        result: Result
        (result,) = self._items(emitted(plan))
        return result

    def _items(self, plan: Plan[None]) -> Iterator[Any]:  # Any: what the plan emits
        return self._connection.items(plan)
