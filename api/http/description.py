"""The description of the service: OpenAPI as it applies here, with or without keys."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from api.http.state import Shared

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json")
async def describe(request: Request, state: Shared) -> JSONResponse:
    """Describe every operation with its errors."""
    whole = request.app.openapi()
    return JSONResponse(whole if await state.has_keys() else without_keys(whole))


def without_keys(whole: dict[str, Any]) -> dict[str, Any]:  # Any: OpenAPI
    """Return the description of a server without keys."""
    open_to_all = deepcopy(whole)
    open_to_all["components"].pop("securitySchemes", None)
    for operations in open_to_all["paths"].values():
        for operation in operations.values():
            operation.pop("security", None)
            operation["responses"].pop("401", None)
    return open_to_all
