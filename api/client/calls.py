"""Calls: requests as values, made once for both kinds of client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlsplit

import httpx

from api.client.filters import Query
from optimizer.errors import InputError

IDEMPOTENCY_KEY = "Idempotency-Key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `silence_s` is the longest silence; None takes the client's own."""

    method: str = "GET"
    path: str
    query: Query = field(default_factory=dict)
    body: object = None  # JSON data
    headers: Mapping[str, str] = field(default_factory=dict)
    silence_s: float | None = None

    @property
    def is_repeatable(self) -> bool:
        """Whether sending it twice has the effect of sending it once."""
        return self.method == "GET" or IDEMPOTENCY_KEY in self.headers

    def asking(self, **query: object) -> Call:
        """Return the call with more in its query."""
        return replace(self, query={**self.query, **query})

    def saying(self, headers: Mapping[str, str]) -> Call:
        """Return the call with more headers."""
        return replace(self, headers={**self.headers, **headers})

    def request(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """Return the request as a connection sends it."""
        timeout = {**http.timeout.as_dict(), **({} if self.silence_s is None else {"read": self.silence_s})}
        return http.build_request(
            self.method,
            self.path,
            params=httpx.QueryParams(tuple(_written(self.query))),
            json=self.body,
            headers=dict(self.headers),
            timeout=httpx.Timeout(**timeout),
        )


def path_to(*parts: str | int) -> str:
    """Return the path of a resource; slashes within a part are escaped."""
    return "/".join(("/v1", *(quote(str(part), safe="") for part in parts)))


def base_url(url: str) -> str:
    """Return a server's URL in its normal form. Raises `InputError` if it is not a URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise InputError("server", f"{url!r} is not the URL of a server; write it as http://HOST:PORT")
    return url.rstrip("/")


def _written(query: Query) -> list[tuple[str, str]]:
    """Return a query as pairs: None left out, sequences repeated."""
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        values = value if isinstance(value, list | tuple) else [] if value is None else [value]
        pairs += [(name, _text(one)) for one in values]
    return pairs


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
