"""The cache command sees every kind of thing that is kept there."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from api.cli.app import app
from api.cli.commands.cache import KINDS


def test_every_kind_is_listed_and_pruned(tmp_path: Path) -> None:
    for kind in KINDS:
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "kept").write_bytes(b"12345")
    shared = ["--cache-dir", str(tmp_path), "--storage", f"sqlite:///{tmp_path}/s.sqlite"]
    listed = CliRunner().invoke(app, [*shared, "--json", "cache", "list"])
    assert {entry["kind"]: entry["bytes"] for entry in json.loads(listed.stdout)["items"]} == dict.fromkeys(KINDS, 5)
    assert {"banks", "checkpoints", "trained"} <= {*KINDS}
    CliRunner().invoke(app, [*shared, "cache", "prune", "--unused-days", "0"])
    assert not list(tmp_path.glob("*/kept"))


def test_an_entry_with_brackets_in_its_path_is_removed(tmp_path: Path) -> None:
    kept = tmp_path / "a [bold] place" / "banks" / "kept"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"1")
    shared = ["--cache-dir", str(tmp_path / "a [bold] place"), "--storage", f"sqlite:///{tmp_path}/s.sqlite"]
    done = CliRunner().invoke(app, [*shared, "cache", "prune", "--unused-days", "0"])
    assert done.exit_code == 0, done.output
    assert not kept.exists()
