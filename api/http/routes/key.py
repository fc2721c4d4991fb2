"""The key that asks: its scopes, its quotas, and what it uses of them."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from api.http.access import Reader
from api.http.problems import responses
from api.http.state import Shared
from studies.keys import Scope

router = APIRouter(prefix="/v1", tags=["key"], responses=responses(401, 403, 429))


class QuotaView(BaseModel):
    """What the key may use at most, counted as in its use; null: as much as it likes."""

    model_config = ConfigDict(from_attributes=True)
    queued: int | None
    running: int | None
    candidates: int | None


class UseView(BaseModel):
    """Jobs that wait and that run now, and the candidates of the studies submitted in the last 24 hours."""

    model_config = ConfigDict(from_attributes=True)
    queued: int
    running: int
    candidates: int


class KeyView(BaseModel):
    """The key that asks. Of a server without keys `name`, `quota` and `use` are null: everybody may do everything."""

    name: str | None
    scopes: list[Scope]
    quota: QuotaView | None
    use: UseView | None


@router.get("/key")
def read_key(state: Shared, caller: Reader) -> KeyView:
    """Read the scopes and quotas of the key that asks, and what it uses of them now."""
    if caller.key is None:
        return KeyView(name=None, scopes=sorted(caller.scopes), quota=None, use=None)
    key, use = state.service.keys.with_use(caller.key)
    return KeyView(
        name=key.name,
        scopes=sorted(key.scopes),
        quota=QuotaView.model_validate(key.quota),
        use=UseView.model_validate(use),
    )
