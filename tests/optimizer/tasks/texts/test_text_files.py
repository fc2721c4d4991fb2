from __future__ import annotations

import codecs
import csv
from io import StringIO
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from optimizer.errors import InputError
from optimizer.tasks.texts.delimited import read_delimited
from optimizer.tasks.texts.files import read_file
from optimizer.tasks.texts.sheet import Sheet

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=9)


def sheet(place: Path, name: str, content: str | bytes) -> Sheet:
    path = place / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_file(path)


def texts(read: Sheet) -> list[object]:
    return list(read.column("text", "text_columns"))


EXACT = [
    "None",
    "N/A",
    "NA",
    "null",
    "nan",
    "007",
    "1.0",
    "1e5",
    "True",
    "-",
    "01/02/2003",
    " spaced ",
    "",
    "ﬁ\u2028\x0b\x85",
]


@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".tsv", "\t")])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimited_values_are_read_exactly_as_written(suffix: str, separator: str, end: str, tmp_path: Path) -> None:
    lines = [separator.join(("text", "label")), *(separator.join((text, "x")) for text in EXACT)]
    for content in (end.join(lines), end.join(lines) + end):
        read = sheet(tmp_path, f"train{suffix}", content)
        assert texts(read) == EXACT
        assert list(read.column("label", "")) == ["x"] * len(EXACT)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["train.csv", "train.jsonl"])
def test_byte_order_marks_say_the_encoding(encoding: str, name: str, tmp_path: Path) -> None:
    content = {"train.csv": "text,label\nné,0\n", "train.jsonl": '{"text": "né", "label": 0}\n'}[name]
    assert texts(sheet(tmp_path, name, content.encode(encoding))) == ["né"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\né,0\n".encode("latin-1"), r"line 2: byte 0xe9 is not UTF-8"),
        (codecs.BOM_UTF8 + b"text\n\xff", r"line 2: byte 0xff"),
        ("text,label\na,0\n".encode("utf-16-le"), r"line 1: holds a NUL character"),
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("text,label\na,0\nb\n", r"line 3: has 1 fields, the header 2"),
        ("text,label\na,0,\n", r"line 2: has 3 fields, the header 2"),
        ("text,label\na,b,0\n", r"line 2: has 3 fields"),
        ('text,label\n"a" b,0\n', r"line 2: .*expected after"),
        ('text,label\na,0\n"b,0\nc,0\n', r"line 3: unexpected end of data"),
        ('text,label\n"a ,0\nb,1\nc ",1\n', r"line 2: a quote begins here"),
        ('text,label\n"x, y",0\n"a,1\nb,0\nc",1\nd,0\n', r"line 3: a quote begins here"),
        ('label,text\n0,"x, y"\n1,"a\n0,b"\n0,c\n', r"line 3: a quote begins here"),
    ],
)
def test_csv_that_cannot_be_read_in_one_way_is_refused_by_line(
    content: str | bytes, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"train\.csv.*" + message):
        sheet(tmp_path, "train.csv", content)


def test_quoted_csv_may_hold_separators_quotes_and_line_breaks(tmp_path: Path) -> None:
    read = sheet(tmp_path, "train.csv", 'text,label,\n\n"a, ""b""\r\nc",0,\nd"e,1,\n')
    assert texts(read) == ['a, "b"\r\nc', 'd"e']
    assert read.notes == ("train.csv: 1 blank lines were skipped",)
    assert read.where(1, "text").endswith("train.csv, line 5, column 'text'")


@pytest.mark.parametrize("content", ['text,label\n"x, y",0\n"a, b\nc",1\n', 'label,text\n0,"x, y"\n1,"a\nb, c"\n'])
def test_lines_of_a_quoted_text_may_hold_as_many_separators_as_a_row(content: str, tmp_path: Path) -> None:
    assert [line.count("\n") for line in texts(sheet(tmp_path, "train.csv", content))] == [0, 1]


@pytest.mark.parametrize(
    ("content", "expected", "note"),
    [
        ('text\tlabel\n"a\t0\nb\t1\n"c" d\t0\n', ['"a', "b", '"c" d'], "part of the texts"),
        ('text\tlabel\n"all of it"\t0\nb\t1\n', ['"all of it"', "b"], "part of the texts"),
        ('text\tlabel\n"say ""a"""\t0\nb\t1\n', ['say "a"', "b"], "as quoting"),
        ('"text"\t"label"\n"a"\t"0"\n', ["a"], "as quoting"),
        ('text\tlabel\n"a\nb"\t0\nc\t1\n', ["a\nb", "c"], "as quoting"),
    ],
)
def test_tsv_is_plain_unless_the_whole_file_is_quoted(
    content: str, expected: list[str], note: str, tmp_path: Path
) -> None:
    read = sheet(tmp_path, "train.tsv", content)
    assert texts(read) == expected
    assert len(read.notes) == 1
    assert note in read.notes[0]


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6), st.sampled_from([",", "\t"]))
def test_what_a_csv_library_wrote_is_read_back_or_refused(rows: list[tuple[str, str]], separator: str) -> None:
    file = StringIO()
    csv.writer(file, delimiter=separator, lineterminator="\n").writerows([("text", "label"), *rows])
    try:
        read = read_delimited(Path("x.csv" if separator == "," else "x.tsv"), file.getvalue())
    except InputError as error:
        assert "complete row by itself" in str(error)
        return
    assert list(zip(read.column("text", ""), read.column("label", ""), strict=True)) == rows


def test_tsv_whose_quotes_join_complete_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train\.tsv, line 3: a quote begins here"):
        sheet(tmp_path, "train.tsv", 'text\tlabel\nx\t1\n"a\t0\nb"\t1\n')


def test_columns_that_stand_twice_are_refused_where_they_are_used(tmp_path: Path) -> None:
    read = sheet(tmp_path, "train.csv", "text,text,label\na,b,0\n")
    assert list(read.column("label", "")) == ["0"]
    with pytest.raises(InputError, match=r"2 columns named 'text'"):
        read.column("text", "text_columns")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a", "text": "b"}', "the key 'text' occurs twice"),
        ('["a", 0]', "is not a JSON object"),
        ('{"text": "a", "label": NaN}', "NaN is not JSON"),
        ('{"text": "\\ud83d"}', "surrogates not allowed"),
        ("{text: 1}", "is not valid JSON"),
    ],
)
def test_jsonl_that_is_no_row_is_refused_by_line(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"train\.jsonl, line 3: .*{message}"):
        sheet(tmp_path, "train.jsonl", f'{{"text": "x"}}\n\n{line}\n')


def test_jsonl_lines_end_at_line_feeds_alone_and_missing_keys_are_missing_values(tmp_path: Path) -> None:
    read = sheet(tmp_path, "train.jsonl", '{"text": "a\u2028b\x85"}\r\n{"label": 7, "text": null}')
    assert texts(read) == ["a\u2028b\x85", None]
    assert list(read.column("label", "")) == [None, 7]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_every_string_type_of_parquet_reads_the_same(kind: pa.DataType, tmp_path: Path) -> None:
    values = pa.array(["a", None, "a"]).cast(pa.string()).dictionary_encode().cast(pa.string()).cast(kind)
    parquet.write_table(pa.table({"text": values}), tmp_path / "train.parquet")
    assert texts(read_file(tmp_path / "train.parquet")) == ["a", None, "a"]


def test_parquet_that_is_damaged_behind_its_header_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    parquet.write_table(pa.table({"text": [f"text {i}" for i in range(5000)]}), path)
    content = bytearray(path.read_bytes())
    content[4:2000] = bytes(1996)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"train\.parquet cannot be read"):
        read_file(path).column("text", "text_columns")
