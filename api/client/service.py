"""The service as plans, one for each thing that it can be asked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import httpx
from pydantic import BaseModel

from api.client.answers import answered, parsed
from api.client.buying import Begun, FreshTexts, bought, given
from api.client.calls import IDEMPOTENCY_KEY, Call, path_to
from api.client.errors import StudyCancelledError, StudyFailedError
from api.client.events import LiveEvent, followed
from api.client.exporting import exported
from api.client.filters import FrontFilter, Query, query_of
from api.client.patience import Patience
from api.client.plans import Emit, Plan, heard
from api.http.models import JobView, Page, StudyView
from api.http.routes.candidates import Order
from api.http.routes.catalogue import ModelOffer, Models, Names, TaskOffer, Tasks
from api.http.routes.key import KeyView
from api.http.routes.labels import WantedRows
from optimizer.fronts.bought import Standing
from optimizer.fronts.recommendation import Recommendation, Rule
from optimizer.spec import StudySpec
from optimizer.views.member import FrontResult, Member, RunResult
from studies.records import StudyState

Model = TypeVar("Model", bound=BaseModel)
UNDER_WAY = (StudyState.QUEUED, StudyState.RUNNING)
AT_ONCE = 200  # items of a page
REMEMBERED = 64  # fronts


class Service:
    """What a client asks of a server. Fronts are remembered with their tags: an unchanged one is not sent again."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._fronts: OrderedDict[tuple[str, str], tuple[str, FrontResult]] = OrderedDict()

    def submit(
        self, spec: StudySpec, *, name: str | None, priority: int, idempotency_key: str | None
    ) -> Plan[StudyView]:
        """Submit a study, once however often it is sent."""
        body = {**spec.model_dump(mode="json"), "name": name, "priority": priority}
        headers = {IDEMPOTENCY_KEY: idempotency_key or uuid4().hex}
        return self._read(Call(method="POST", path=path_to("studies"), body=body, headers=headers), StudyView)

    def study(self, name: str) -> Plan[StudyView]:
        """Read a study."""
        return self._read(Call(path=path_to("studies", name)), StudyView)

    def studies(self, *, state: StudyState | None, search: str | None, tag: str | None) -> Plan[None]:
        """Emit the studies, newest first."""
        query: Query = {"state": state, "search": search, "tag": tag}
        return self._items(Call(path=path_to("studies"), query=query), Page[StudyView])

    def result(self, name: str) -> Plan[RunResult]:
        """Read a whole run."""
        return self._read(Call(path=path_to("studies", name, "result")), RunResult)

    def front(self, name: str, chosen: FrontFilter) -> Plan[FrontResult]:
        """Read a front; one that is remembered and has not changed comes from memory."""
        call = Call(path=path_to("studies", name, "front"), query=query_of(chosen))
        key = call.path, repr(sorted(call.query.items()))
        tag, known = self._fronts.get(key, ("", None))
        response = yield from answered(call.saying({"If-None-Match": tag}) if known else call, self._patience)
        if known is not None and response.status_code == httpx.codes.NOT_MODIFIED:
            self._remember(key, tag, known)
            return known
        front = parsed(response, FrontResult)
        self._remember(key, response.headers.get("ETag", ""), front)
        return front

    def recommendation(
        self,
        name: str,
        rule: Rule,
        *,
        weights: Mapping[str, float] | None,
        order: Sequence[str] | None,
        max_drop: float | None,
        chosen: FrontFilter,
    ) -> Plan[Recommendation]:
        """Read which member of a front the server recommends."""
        query: Query = {
            "rule": rule.value,
            "weight": [f"{axis}:{weight!r}" for axis, weight in (weights or {}).items()],
            "order": order,
            "max_drop": max_drop,
        }
        return self._read(
            Call(path=path_to("studies", name, "recommendation"), query={**query_of(chosen), **query}), Recommendation
        )

    def candidates(self, name: str, *, sort: Order, descending: bool, max_drop: float | None) -> Plan[None]:
        """Emit the evaluated candidates of a study."""
        query: Query = {"sort": sort.value, "descending": descending, "max_drop": max_drop}
        return self._items(Call(path=path_to("studies", name, "candidates"), query=query), Page[Member])

    def candidate(self, name: str, number: int) -> Plan[Member]:
        """Read one candidate."""
        return self._read(Call(path=path_to("studies", name, "candidates", number)), Member)

    def events(self, name: str, *, after: int, follow: bool) -> Plan[None]:
        """Emit the events of a study."""
        return followed(name, self._patience, after=after, follow=follow)

    def wait(self, name: str, listener: Callable[[LiveEvent], None] | None) -> Plan[RunResult]:
        """Follow a study to its end. Raises `StudyFailedError`, `StudyCancelledError`."""
        study = yield from self.study(name)
        while study.state in UNDER_WAY:
            yield from heard(followed(name, self._patience), listener or _ignored)
            study = yield from self.study(name)
        if study.state is StudyState.FAILED:
            raise StudyFailedError(f"study {study.study!r} failed: {study.error or 'no reason was kept'}", study)
        if study.state is StudyState.CANCELLED:
            raise StudyCancelledError(f"study {study.study!r} was cancelled; resume it to continue", study)
        return (yield from self.result(name))

    def label(self, name: str, *, tags: Sequence[str] | None, note: str | None) -> Plan[StudyView]:
        """Replace tags and note of a study."""
        body = {"tags": None if tags is None else list(tags), "note": note}
        return self._read(Call(method="PATCH", path=path_to("studies", name), body=body), StudyView)

    def cancel(self, name: str) -> Plan[StudyView]:
        """Cancel a study."""
        return self._read(Call(method="POST", path=path_to("studies", name, "cancel")), StudyView)

    def resume(self, name: str, *, epsilon: float | None) -> Plan[JobView]:
        """Resume a study."""
        return self._read(
            Call(method="POST", path=path_to("studies", name, "resume"), body={"epsilon": epsilon}), JobView
        )

    def delete(self, name: str) -> Plan[None]:
        """Delete a study."""
        yield from answered(Call(method="DELETE", path=path_to("studies", name)), self._patience)

    def export(self, name: str, candidate: int, directory: Path, *, format: str) -> Plan[tuple[Path, ...]]:
        """Export a candidate and fetch its files."""
        return exported(name, candidate, directory, format=format, patience=self._patience)

    def certify(self, name: str, fresh: FreshTexts, listener: Callable[[LiveEvent], None] | None) -> Plan[Begun]:
        """Begin to buy labels."""
        return bought(name, fresh, listener, self._patience)

    def labels(self, name: str) -> Plan[Standing]:
        """Read where the labels bought stand."""
        return self._read(Call(path=path_to("studies", name, "labels")), Standing)

    def wanted_labels(self, name: str, *, batch: int) -> Plan[WantedRows]:
        """Ask for the rows to label now."""
        path = path_to("studies", name, "labels", "next")
        return self._read(Call(method="POST", path=path, body={"batch": batch}), WantedRows)

    def give_labels(self, name: str, labels: Mapping[str, str] | Path) -> Plan[Standing]:
        """Give labels."""
        return self._read(given(name, labels), Standing)

    def models(self) -> Plan[list[ModelOffer]]:
        """Read the short names of models."""
        return (yield from self._read(Call(path=path_to("models")), Models)).items

    def tasks(self) -> Plan[list[TaskOffer]]:
        """Read the tasks."""
        return (yield from self._read(Call(path=path_to("tasks")), Tasks)).items

    def key(self) -> Plan[KeyView]:
        """Read the key of this client."""
        return self._read(Call(path=path_to("key")), KeyView)

    def names(self, kind: str) -> Plan[list[str]]:
        """Read the names on offer of a kind: samplers, objectives, criteria."""
        return (yield from self._read(Call(path=path_to(kind)), Names)).items

    def _read(self, call: Call, model: type[Model]) -> Plan[Model]:
        return parsed((yield from answered(call, self._patience)), model)

    def _items(self, call: Call, page: type[Page[Model]]) -> Plan[None]:
        """Emit the items of a list, page after page."""
        cursor: str | None = None
        while True:
            part = yield from self._read(call.asking(limit=AT_ONCE, cursor=cursor), page)
            for item in part.items:
                yield Emit(item)
            cursor = part.next
            if cursor is None:
                return

    def _remember(self, key: tuple[str, str], tag: str, front: FrontResult) -> None:
        self._fronts.pop(key, None)
        self._fronts[key] = tag, front
        while len(self._fronts) > REMEMBERED:
            self._fronts.popitem(last=False)


def _ignored(event: LiveEvent) -> None:
    """Listen to nothing."""
