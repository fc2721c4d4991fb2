"""Files: read tables, JSON and CoNLL exactly as written, or refuse them with file, line and remedy."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from optimizer.errors import InputError
from optimizer.tasks.questions.squad import read_squad
from optimizer.tasks.texts.delimited import read_delimited
from optimizer.tasks.texts.sheet import Sheet
from optimizer.tasks.tokens.conll import read_conll

BYTE_ORDER_MARKS: Mapping[bytes, str] = {  # UTF-32 first: its mark begins with that of UTF-16
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_file(path: Path) -> Sheet:
    """Return a file's sheet. Raises `InputError` for a file that is damaged or can be read in more than one way."""
    with _explained(path):
        return READERS[path.suffix](path)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError("data", f"{path} cannot be read: {error}") from error


def decoded(path: Path) -> str:
    """Return a file's text: UTF-8, or as its byte order mark says. Raises `InputError` for any other encoding."""
    content = path.read_bytes()
    encoding = next((e for mark, e in BYTE_ORDER_MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte, name = error.object[error.start], encoding.removesuffix("-sig").upper()
        raise InputError("data", f"{path}, line {line}: byte 0x{byte:02x} is not {name}; save it as UTF-8") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError("data", f"{path}, line {line}: holds a NUL character; save the file as UTF-8 text")
    return text


def _read_delimited(path: Path) -> Sheet:
    return read_delimited(path, decoded(path))


def _read_conll(path: Path) -> Sheet:
    return read_conll(path, decoded(path))


def _read_parquet(path: Path) -> Sheet:
    from pyarrow import parquet

    file = parquet.ParquetFile(path)

    def read(column: str) -> list[Any]:
        with _explained(path):
            values: list[Any] = file.read([column]).column(column).to_pylist()
        return values

    return Sheet(
        name=str(path),
        columns=tuple(file.schema_arrow.names),
        size=file.metadata.num_rows,
        read=read,
        label_names=_label_names(file.schema_arrow.metadata or {}),
    )


def _label_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """Return the names of ids by column, where the `datasets` library wrote them into a parquet file."""
    features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    inner = {column: feature.get("feature", feature) for column, feature in features.items()}
    return {column: feature["names"] for column, feature in inner.items() if feature.get("_type") == "ClassLabel"}


def _read_arrow(path: Path) -> Sheet:
    import pyarrow as pa

    with pa.OSFile(str(path)) as source:  # a stream, as the `datasets` library saves it
        table = pa.ipc.open_stream(source).read_all()
    return Sheet(
        name=str(path),
        columns=tuple(table.column_names),
        size=table.num_rows,
        read=lambda column: table.column(column).to_pylist(),
        label_names=_label_names(table.schema.metadata or {}),
    )


def _read_json(path: Path) -> Sheet:
    """Return the rows of SQuAD's layout, which is one object with `data`, or of an object per line."""
    text = decoded(path)
    try:
        content = json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_refuse_constant)
    except ValueError:
        return _read_lines(path, text)
    if isinstance(content, dict) and "data" in content:
        return read_squad(path, content)
    if isinstance(content, dict) and "\n" not in text.strip():
        return _read_lines(path, text)
    raise InputError("data", f"{path}: is neither of SQuAD's layout nor an object per line; write one of them")


def _read_jsonl(path: Path) -> Sheet:
    return _read_lines(path, decoded(path))


def _read_lines(path: Path, text: str) -> Sheet:
    lines, rows = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            lines.append(number)
            rows.append(_object(path, number, line))
    columns = dict.fromkeys(column for row in rows for column in row)
    return Sheet(
        name=str(path),
        columns=tuple(columns),
        size=len(rows),
        read=lambda column: [row.get(column) for row in rows],
        lines=lines,
    )


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line, object_pairs_hook=_without_repeats, parse_constant=_refuse_constant)
        json.dumps(row, ensure_ascii=False).encode()  # half of a surrogate pair is not text
    except ValueError as error:
        raise InputError("data", f"{path}, line {number}: is not valid JSON: {error}") from error
    if not isinstance(row, dict):
        raise InputError("data", f"{path}, line {number}: is not a JSON object with a value for each column")
    return row


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"the key {name!r} occurs twice")
    return dict(pairs)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON; write null where a value is missing")


READERS: Mapping[str, Callable[[Path], Sheet]] = {
    ".parquet": _read_parquet,
    ".csv": _read_delimited,
    ".tsv": _read_delimited,
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".arrow": _read_arrow,
    ".conll": _read_conll,
}
