"""The hub: fetching what is not on this machine, with a remedy if the hub cannot be reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from optimizer.errors import InputError

Fetched = TypeVar("Fetched")
MODEL_FILES = ("*.json", "*.safetensors", "*.txt", "*.model")  # never pickles, never code


def fetch_model(repository: str) -> Path:
    """Return the local snapshot of a hub model, safetensors only. Raises `InputError` for `model`."""
    from huggingface_hub import snapshot_download

    with _explained("model", repository):
        return Path(snapshot_download(repository, allow_patterns=list(MODEL_FILES)))


@contextmanager
def _explained(field: str, repository: str) -> Iterator[None]:
    """Turn the hub's failures into input errors that say what to do."""
    from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError is of the HTTP library in use
        GatedRepoError,
        HfHubHTTPError,
        HTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise InputError(
            field, f"{repository!r} is gated; accept its terms on the hub and run `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise InputError(
            field,
            f"the hub has no {repository!r}, or it is private, and no directory here has that name; check the name",
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, HTTPError, OSError) as error:
        raise InputError(field, unreachable(repository)) from error


def unreachable(repository: str) -> str:
    """Return what to do when the hub cannot be reached."""
    return (
        f"the hub cannot be reached for {repository!r}, which is neither a directory here nor in the local cache; "
        "download it where there is a network and give its directory instead, or set HF_HOME to a cache that holds it"
    )


def call_hub(field: str, repository: str, fetch: Callable[[], Fetched]) -> Fetched:
    """Return what `fetch` fetches, with the hub's failures explained."""
    with _explained(field, repository):
        return fetch()
