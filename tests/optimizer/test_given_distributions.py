"""Distributions of the user's own, in specs and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from api.cli.spec_options import spec_from
from optimizer.door.fields import in_words
from optimizer.errors import InputError
from optimizer.fields.distribution_files import read_distributions
from optimizer.fields.distributions import written_of
from optimizer.search.proposer import StagedProposer
from optimizer.search.space import Space
from optimizer.search.written import wanted
from optimizer.spec import StudySpec
from search_spaces.config import Form
from search_spaces.groups import Group, dense_config
from studies.records import Candidate, CandidateState, Origin, Proposal

LIST = {"name": "PD2", "ratio": 0.5, "removed": [0.34, 0.66], "scaled_to": [0.25, 0.5]}
TOML = '[[distributions]]\nname = "PD2"\nratio = 0.5\nremoved = [0.34, 0.66]\nscaled_to = [0.25, 0.5]\n'
JSON = '[{"name": "PD2", "ratio": 0.5, "removed": [0.34, 0.66], "scaled_to": [0.25, 0.5]}]'


def spec_of(*distributions: Any, **fields: Any) -> StudySpec:
    base: dict[str, Any] = {"model": "m", "task": "digits", "epsilon": 0.05, "trials": 9}
    return StudySpec.model_validate({**base, "distributions": distributions, **fields})


def refusal(*distributions: Any, **fields: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        spec_of(*distributions, **fields)
    return str(in_words(caught.value))


def test_a_list_is_scaled_to_its_ratios_and_named_by_them() -> None:
    by_name = {one.name: one.entries for one in written_of(spec_of(LIST).distributions)}
    assert by_name == {"PD2 25 %": {"*": (0.17, 0.33)}, "PD2 50 %": {"*": (0.34, 0.66)}}


def test_the_content_is_in_the_spec_and_specs_without_it_are_read() -> None:
    spec = spec_of(LIST)
    assert StudySpec.stored(spec.model_dump(mode="json")) == spec
    old = spec_of().model_dump(mode="json", exclude={"distributions"})
    assert StudySpec.stored(old).distributions == ()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "a", "ratio": 0.5}, "distributions.0: give either `removed` or `kept`"),
        ({**LIST, "ratio": 50}, "distributions.0.ratio: "),
        ({**LIST, "removed": [1.0]}, r"distributions.0.removed: *: must be a share in [0, 1), such as 0.5, not 1.0"),
        ({**LIST, "removed": {"x": float("nan")}}, "distributions.0.removed: x: must be a share"),
        ({**LIST, "removed": [10**400]}, "distributions.0.removed: *: must be a share"),
        ({**LIST, "removed": [True]}, "distributions.0.removed: *: must be a share"),
        ({**LIST, "removed": []}, "distributions.0.removed: *: from 1 to 1000 shares, not 0"),
        ({**LIST, "scaled_to": [0.9]}, "`scaled_to`: PD2 90 % would remove 119% of *"),
        ({"name": "a", "ratio": 0.5, "kept": [10**400]}, "distributions.0.kept: *: must be a whole number"),
        ({"name": "a", "ratio": 0.5, "kept": [8], "scaled_to": [0.1]}, "`scaled_to` scales `removed`"),
    ],
)
def test_what_is_no_distribution_is_refused_by_its_field(wrong: dict[str, Any], said: str) -> None:
    assert said in refusal(wrong)


def test_repeats_and_more_than_there_are_trials_are_refused() -> None:
    assert "PD2 50 % is given twice" in refusal(LIST, {**LIST, "scaled_to": [0.5]})
    assert "room for 1; raise `trials`" in refusal(LIST, trials=1)
    assert "room for 1; raise `trials`" in refusal(LIST, start_from="other", trials=11)
    assert "distributions: remove units" in refusal(LIST, transforms=["masks"])
    assert "distributions: remove units" in refusal(LIST, sampler="iterative")


@pytest.mark.parametrize(
    ("name", "text"), [("a.toml", TOML), ("a.json", JSON), ("b.json", f'{{"distributions": {JSON}}}')]
)
def test_files_say_what_specs_say(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_distributions(tmp_path / name) == [LIST]


def test_a_csv_file_has_a_column_for_each_layer_and_is_an_option(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("name,ratio,conv1,conv2\nPD2,0.5,0.34,0.66\nmine,0.1,0.2,\n")
    given = {"model": "m", "task": "digits", "epsilon": 0.05, "distributions": [tmp_path / "a.csv"]}
    assert [one.entries for one in written_of(spec_from(given, None).distributions)] == [
        {"conv1": 0.34, "conv2": 0.66},
        {"conv1": 0.2},
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", "", "none of '.toml', '.json', '.csv'"),
        ("a.toml", "x = ", "a.toml: "),
        ("a.toml", "series = 1", "must have 'distributions' and nothing else, not 'series'"),
        ("a.json", '{"distributions": [], "distributions": []}', "'distributions' is there twice"),
        ("a.json", "[" * 100_000, "a.json: "),
        ("a.json", "[]", "must be a list of at least one"),
        ("a.csv", "", "must name the columns"),
        ("a.csv", "name,ratio,a,a\n", "'a' is there twice"),
        ("a.csv", "name,ratio,a\nx,0.5\n", "line 2 has 2 values for 3 columns"),
        ("a.csv", "name,ratio,a\nx,0.5,half\n", "a must be a number, not 'half'"),
        ("a.csv", 'name,ratio,a\n"x"y,0.5,0.1\n', "a.csv: "),
    ],
)
def test_files_that_cannot_be_read_are_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match="distributions: ") as caught:
        read_distributions(tmp_path / name)
    assert said in str(caught.value)


GROUPS = tuple(
    Group(
        name=name, kind="channels", layer=layer, units=32, unit_size=1, levels=(8, 16, 24, 32), producers=(name,),
        consumers=(),
    )
    for layer, name in enumerate("ab")
)  # fmt: skip
SPACE = Space(GROUPS, Form.SLICED, {}, {}, {})


def test_what_rounds_to_one_config_shares_it_and_what_removes_nothing_is_refused() -> None:
    same = {"name": "same", "ratio": 0.1, "removed": [0.33, 0.67]}
    found = wanted(spec_of({**LIST, "scaled_to": []}, same).distributions, SPACE)
    assert [(config.levels, name) for config, name in found.names.items()] == [
        ({"a": 24, "b": 8}, "PD2 50 % = same 10 %")
    ]
    with pytest.raises(InputError, match="distributions: small 1 %: leaves every layer as it is"):
        wanted(spec_of({"name": "small", "ratio": 0.01, "removed": [0.01, 0.01]}).distributions, SPACE)


def test_they_are_proposed_first_unless_they_are_candidates_already() -> None:
    given = wanted(spec_of(LIST).distributions, SPACE).proposals
    seed = Proposal(config=dense_config(GROUPS).replaced({"a": 8}).in_form(Form.SLICED), origin=Origin.LADDER)
    proposer = StagedProposer(
        SPACE, seeds=[*given, seed], given=given, trials=9, make_sampler=_none, worth=_none, refiner=None
    )
    taken = Proposal(config=given[0].config, origin=Origin.TRANSFER)
    first = Candidate(id=1, study_id=1, number=0, proposal=taken, state=CandidateState.COMPLETE)
    assert [proposer.propose([]), proposer.propose([], given[:1]), proposer.propose([], given)] == [*given, seed]
    assert proposer.propose([first]) == given[1]


def _none(*_: object) -> Any:
    """Stand for a sampler that is not asked, and for candidates that tell it nothing."""
