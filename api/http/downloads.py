"""Downloads: a file, whole or in ranges, whose refusals are problem details like all others."""

from __future__ import annotations

from fastapi.responses import FileResponse
from starlette.responses import MalformedRangeHeader, RangeNotSatisfiable

from api.http.problems import ProblemError


class Download(FileResponse):
    """A file that honours `Range`."""

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        try:
            return super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader as error:
            raise ProblemError(400, f"{error.content.rstrip('.')}; write bytes=0-99", field="Range") from error
        except RangeNotSatisfiable as error:
            headers = {"Content-Range": f"bytes */{file_size}"}
            why = f"the file has {file_size} bytes"
            raise ProblemError(416, why, field="Range", headers=headers) from error
