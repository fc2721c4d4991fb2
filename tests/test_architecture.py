"""The import table, the limits on sizes, and what may be imported without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

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


@cache
def modules() -> dict[Path, ast.Module]:
    """Every module of ours, parsed once for all tests."""
    return {
        path.relative_to(ROOT): ast.parse(path.read_text())
        for package in MAY_IMPORT
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def our_imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name for name in names if name.split(".")[0] in MAY_IMPORT)


def forbidden_imports() -> Iterator[str]:
    for path, tree in modules().items():
        allowed = MAY_IMPORT[path.parts[0]] | {path.parts[0]}
        for name in our_imports(tree):
            if not any(name == row or name.startswith(f"{row}.") for row in allowed):
                yield f"{path} imports {name}; {path.parts[0]} may import only {sorted(allowed)}"


def imported_modules(tree: ast.Module, names: Collection[str]) -> set[str]:
    """The modules among `names` that a module imports, late or for its types alone as well."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found & set(names)


def import_without_torchvision_admitted() -> Iterator[str]:
    """Modules that would break where the installed torchvision does not fit torch."""
    for path, tree in modules().items():
        names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        if names & {"transformers", "torchvision"} and "admit_torchvision" not in calls:
            yield f"{path} imports transformers or torchvision; call `admit_torchvision()` before it does"


def long_functions() -> Iterator[str]:
    for path, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.body[0].lineno + 1
                if lines > FUNCTION_LINES:
                    yield f"{path}:{node.lineno} {node.name} has {lines} lines"


def long_files() -> Iterator[str]:
    for path in modules():
        lines = (ROOT / path).read_text().count("\n")
        if lines > FILE_LINES:
            yield f"{path} has {lines} lines"


def imports_torch(names: Sequence[str]) -> bool:
    code = f"import sys, {', '.join(names)}; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return found.stdout == "True\n"  # what fails otherwise raises, with its exit code


def test_imports_point_downward() -> None:
    assert len(modules()) > 100
    assert not list(forbidden_imports())


def test_no_module_imports_itself_over_others() -> None:
    named = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): tree for path, tree in modules().items()}
    imports = {name: imported_modules(tree, named) - {name} for name, tree in named.items()}
    assert list(TopologicalSorter(imports).static_order())  # raises CycleError, which names the circle


def test_a_torchvision_that_does_not_fit_breaks_no_import() -> None:
    assert not list(import_without_torchvision_admitted())


def test_files_and_functions_stay_short() -> None:
    assert not [*long_files(), *long_functions()]


def test_every_module_says_what_it_is_for() -> None:
    assert not [path for path, tree in modules().items() if not ast.get_docstring(tree)]


def test_words_are_enough_without_torch() -> None:
    assert not imports_torch(TORCH_FREE), [name for name in TORCH_FREE if imports_torch([name])]


def test_every_test_file_has_a_name_of_its_own() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == [], (
        "tests have no packages: one would hide the other"
    )
