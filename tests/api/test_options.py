"""The run's options: one for every field of a study, in the help, in a TOML file, in the form and in the guide."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from api.cli.app import app
from api.cli.spec_options import spec_from
from api.cli.wording import flags_of, in_flags
from api.http.models import StudyRequest
from api.pages.form import sections
from optimizer.errors import InputError
from optimizer.fields.fields import offered
from optimizer.spec import StudySpec

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
RUN_CHAPTERS = GUIDE[: GUIDE.index("## Stored studies")]
OF_EVERY_COMMAND = {"--help", "--storage", "--cache-dir", "--server", "--api-key", "--json"}
RUN = typer.main.get_command(app)
FIELDS = {field.flag: field for field in offered(StudySpec)}
MINE = {"model": "bert-base", "task": "sst2", "epsilon": 0.01}


def test_every_field_has_its_option_under_its_heading_with_its_text() -> None:
    options: dict[str, Any] = {parameter.opts[0]: parameter for parameter in RUN.params}
    for flag, field in FIELDS.items():
        assert options[flag].rich_help_panel == field.section
        assert re.sub(r"`\w+`.*", "", field.text).removesuffix(".") in options[flag].help
        assert all(choice in options[flag].help for choice in field.choices)
        assert options[flag].multiple == field.is_list


def test_the_guides_tables_list_the_options_of_a_run_and_no_others() -> None:
    rows = [row.split("|")[1] for row in RUN_CHAPTERS.splitlines() if row.startswith("| `--")]
    named = {option for row in rows for option in re.findall(r"--[a-z-]+", row)}
    options = {parameter.opts[0] for parameter in RUN.params} - OF_EVERY_COMMAND
    assert named - {"--no-reconstruct", "--json"} == options - {"--reconstruct"}


def test_every_field_of_a_request_is_in_the_form() -> None:
    inputs = {one.path: one for section in sections() for one in section.inputs}
    assert inputs.keys() == {field.path for field in offered(StudyRequest)}
    assert inputs["device"].attributes["pattern"] == "^(cpu|cuda(:[0-9]{1,4})?|mps)$"
    assert "pattern" in inputs["name"].attributes
    assert inputs["limits.flops_ratio"].label == "FLOPs ratio"


def test_a_limit_that_is_given_leaves_those_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text("[limits]\nflops_ratio = 0.5\nsize_ratio = 0.6\n")
    spec = spec_from({**MINE, "limits.size_ratio": 0.7}, file)
    assert spec.limits.model_dump(exclude_none=True) == {"flops_ratio": 0.5, "size_ratio": 0.7}
    file.write_text("limits = 3")
    with pytest.raises(InputError, match="limits must be a table, not 3"):
        spec_from({**MINE, "limits.size_ratio": 0.7}, file)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("trails = 3", "'trails'; did you mean 'trials'"),
        ("[limits]\nflop_ratio = 1", "did you mean 'limits.flops_ratio'"),
    ],
)
def test_an_unknown_field_of_the_file_is_refused_with_the_nearest(tmp_path: Path, written: str, said: str) -> None:
    file = tmp_path / "study.toml"
    file.write_text(written)
    with pytest.raises(InputError, match=f"config: unknown name .*{said}"):
        spec_from(MINE, file)


def test_texts_are_separated_by_commas_and_numbers_are_repeated() -> None:
    spec = spec_from({**MINE, "keep": ["a,b", "c"], "objectives": ["flops,size"], "batch_sizes": [1, 4]}, None)
    assert (spec.keep, spec.objectives, spec.batch_sizes) == (("a", "b", "c"), ("flops", "size"), (1, 4))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"objectives": ["flops,lateny"]}, "objectives: unknown name 'lateny'; did you mean 'latency'"),
        ({"batch_sizes": [0]}, "batch_sizes: "),
        ({"limits.energy_ratio": 2.0}, "limits.energy_ratio: "),
        ({"trials": 0}, "trials: "),
    ],
)
def test_a_refused_value_names_its_field(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        spec_from({**MINE, **wrong}, None)


def test_the_command_line_words_a_parameter_as_its_option() -> None:
    flags = flags_of(RUN)
    said = "data: c.csv is empty; give `label_column`, `structure=weights`, another `cache_dir`, see `optimize show`"
    assert in_flags(said, flags) == (
        "--data: c.csv is empty; give --label-column, --structure weights, another --cache-dir, see `optimize show`"
    )
    assert in_flags("it failed: batch_sizes: at least 1", flags) == "it failed: --batch-size: at least 1"
    assert in_flags("limits.size_ratio: at most 1", flags) == "--max-size-ratio: at most 1"
    assert in_flags("candidate: 3 is unknown; see `study`", flags) == "candidate: 3 is unknown; see `study`"


def test_the_engine_knows_no_options() -> None:
    below = ("optimizer", "search_spaces", "objectives", "studies")
    engine = [file for package in below for file in (ROOT / package).rglob("*.py")]
    options = {option.removeprefix("--") for parameter in RUN.params for option in parameter.opts}
    for file in engine:
        for option in re.findall(r"(?<![\w-])--([a-z-]+)", file.read_text(encoding="utf-8")):
            assert option not in options, f"{file.relative_to(ROOT)} names --{option}; name the parameter"
