"""The asynchronous client: the blocking one's methods, to be awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack

from api.client.buying import Begun, FreshTexts
from api.client.connection import AsyncConnection
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


class AsyncClient:
    """Talks to a server. Studies are given by name or number; `timeout` is the longest silence, in seconds.

    Every method raises `ApiError` for what the server refuses, and `UnreachableError` if it does not answer.
    """

    def __init__(
        self, url: str, *, api_key: str | None = None, timeout: float = 30.0, patience: Patience | None = None
    ) -> None:
        self._connection = AsyncConnection(url, api_key=api_key, timeout=timeout)
        self._service = Service(patience or Patience())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; the client is not used afterwards."""
        await self._connection.close()

    async def submit(
        self, spec: StudySpec, *, name: str | None = None, priority: int = 0, idempotency_key: str | None = None
    ) -> StudyView:
        """Submit a study. The same `idempotency_key` gives the same study again."""
        return await self._run(
            self._service.submit(spec, name=name, priority=priority, idempotency_key=idempotency_key)
        )

    async def study(self, name: str) -> StudyView:
        """Return a study as it is now."""
        return await self._run(self._service.study(name))

    def studies(
        self, *, state: StudyState | None = None, search: str | None = None, tag: str | None = None
    ) -> AsyncIterator[StudyView]:
        """Yield the studies, newest first; `search` is part of a name."""
        return self._items(self._service.studies(state=state, search=search, tag=tag))

    async def result(self, name: str) -> RunResult:
        """Return a whole run, so far as it has come."""
        return await self._run(self._service.result(name))

    async def front(self, name: str, **chosen: Unpack[FrontFilter]) -> FrontResult:
        """Return the front of what is stored, narrowed by a `FrontFilter`; an unchanged one comes from memory."""
        return await self._run(self._service.front(name, chosen))

    async def recommendation(
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
        return await self._run(
            self._service.recommendation(name, rule, weights=weights, order=order, max_drop=max_drop, chosen=chosen)
        )

    def candidates(
        self, name: str, *, sort: Order = Order.CANDIDATE, descending: bool = False, max_drop: float | None = None
    ) -> AsyncIterator[Member]:
        """Yield the evaluated candidates of a study."""
        return self._items(self._service.candidates(name, sort=sort, descending=descending, max_drop=max_drop))

    async def candidate(self, name: str, number: int) -> Member:
        """Return one candidate with all that was measured on it."""
        return await self._run(self._service.candidate(name, number))

    def events(self, name: str, *, after: int = 0, follow: bool = True) -> AsyncIterator[LiveEvent]:
        """Yield the events behind a sequence, then, with `follow`, those that come until the study has ended.

        Broken connections are reopened, without an event lost or repeated.
        """
        return self._items(self._service.events(name, after=after, follow=follow))

    async def wait(self, name: str, *, listener: Callable[[LiveEvent], None] | None = None) -> RunResult:
        """Wait for the end of a study, telling a listener what happens, and return its result.

        Raises `StudyFailedError`, `StudyCancelledError`.
        """
        return await self._run(self._service.wait(name, listener))

    async def label(self, name: str, *, tags: Sequence[str] | None = None, note: str | None = None) -> StudyView:
        """Replace what is given of a study's tags and note."""
        return await self._run(self._service.label(name, tags=tags, note=note))

    async def cancel(self, name: str) -> StudyView:
        """Cancel a study. A running one stops after the candidate in flight at the latest."""
        return await self._run(self._service.cancel(name))

    async def resume(self, name: str, *, epsilon: float | None = None) -> JobView:
        """Resume a stopped study, or a complete one at a larger ε."""
        return await self._run(self._service.resume(name, epsilon=epsilon))

    async def delete(self, name: str) -> None:
        """Delete a study with all that belongs to it."""
        await self._run(self._service.delete(name))

    async def export(
        self, name: str, candidate: int, directory: Path, *, format: Literal["safetensors", "onnx"] = "safetensors"
    ) -> tuple[Path, ...]:
        """Export a candidate, fetch it into a new or empty directory, and return its files.

        Raises `ExportFailedError`, and `InputError` for a directory that is not empty.
        """
        return await self._run(self._service.export(name, candidate, directory, format=format))

    async def certify(
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
        return await self._run(self._service.certify(name, FreshTexts(texts, candidates, double), listener))

    async def labels(self, name: str) -> Standing:
        """Return where the labels bought for a study stand, and what they say of its members."""
        return await self._run(self._service.labels(name))

    async def wanted_labels(self, name: str, *, batch: int = BATCH) -> WantedRows:
        """Return the rows to label now: those still open, else the next `batch` texts."""
        return await self._run(self._service.wanted_labels(name, batch=batch))

    async def give_labels(self, name: str, labels: Mapping[str, str] | Path) -> Standing:
        """Give labels by the id of their row, a class or "?", or a filled-in labelling file; return what all say."""
        return await self._run(self._service.give_labels(name, labels))

    async def models(self) -> list[ModelOffer]:
        """Return the models that have a short name."""
        return await self._run(self._service.models())

    async def tasks(self) -> list[TaskOffer]:
        """Return the tasks that are known."""
        return await self._run(self._service.tasks())

    async def key(self) -> KeyView:
        """Return the scopes and quotas of this client's key, and what it uses of them now."""
        return await self._run(self._service.key())

    async def samplers(self) -> list[str]:
        """Return the samplers on offer."""
        return await self._run(self._service.names("samplers"))

    async def objectives(self) -> list[str]:
        """Return the costs that can steer a search."""
        return await self._run(self._service.names("objectives"))

    async def _run(self, plan: Plan[Result]) -> Result:
        result: Result
        [result] = [item async for item in self._items(emitted(plan))]
        return result

    def _items(self, plan: Plan[None]) -> AsyncIterator[Any]:  # Any: what the plan emits
        return self._connection.items(plan)
