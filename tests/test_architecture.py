"""The import table, the limits on sizes, and what may be imported without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT: dict[str, set[str]] = {  # a row names rows below it only, so no cycle can be written down
    "api": {"optimizer", "studies", "search_spaces", "objectives"},
    "optimizer": {"studies", "search_spaces", "objectives"},
    "studies": {"search_spaces.config", "objectives.measurement"},
    "search_spaces": set(),
    "objectives": set(),
}
TORCH_FREE = (
    "studies.store",
    "studies.opening",
    "optimizer.spec",
    "optimizer.member",
    "optimizer",
    "api.cli.app",
    "api.http.app",
    "api.runner.worker",
)
FILE_LINES, FUNCTION_LINES = 400, 60


def modules() -> list[Path]:
    return [path.relative_to(ROOT) for package in MAY_IMPORT for path in sorted((ROOT / package).rglob("*.py"))]


def our_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name for name in names if name.split(".")[0] in MAY_IMPORT)


@pytest.mark.parametrize("path", modules(), ids=str)
def test_imports_point_downward(path: Path) -> None:
    package = path.parts[0]
    allowed = MAY_IMPORT[package] | {package}
    bad = [name for name in our_imports(path) if not any(name == a or name.startswith(f"{a}.") for a in allowed)]
    assert not bad, f"{path} imports {bad}; {package} may import only {sorted(allowed)}"


@pytest.mark.parametrize("path", modules(), ids=str)
def test_files_and_functions_stay_short(path: Path) -> None:
    text = (ROOT / path).read_text()
    assert text.count("\n") <= FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = (node.end_lineno or 0) - node.body[0].lineno + 1
            assert body <= FUNCTION_LINES, f"{path}:{node.lineno} {node.name} has {body} lines"


@pytest.mark.parametrize("path", modules(), ids=str)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse((ROOT / path).read_text()))


@pytest.mark.parametrize("module", TORCH_FREE)
def test_words_are_enough_without_torch(module: str) -> None:
    code = f"import {module}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
