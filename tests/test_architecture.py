"""The import table, the limits on sizes, and what may be imported without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    "optimizer.views.member",
    "optimizer",
    "api.cli.app",
    "api.http.app",
    "api.runner.worker",
)
FILE_LINES, FUNCTION_LINES = 400, 60


@dataclass(frozen=True)
class Module:
    """What the tests ask of a module of ours; its syntax tree would be millions of objects for all later tests."""

    lines: int
    is_described: bool
    names: frozenset[str]  # that it imports, late or for its types alone as well
    sources: frozenset[str]  # of these names
    calls: frozenset[str]
    functions: tuple[tuple[int, str, int], ...]  # where each begins, its name and lines

    @classmethod
    def read(cls, path: Path) -> Module:
        text = path.read_text()
        tree = ast.parse(text)
        nodes = [*ast.walk(tree)]
        plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        named = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
        functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        called = [node.func for node in nodes if isinstance(node, ast.Call)]
        return cls(
            lines=text.count("\n"),
            is_described=bool(ast.get_docstring(tree)),
            names=frozenset(plain | {f"{node.module}.{alias.name}" for node in named for alias in node.names}),
            sources=frozenset(str(node.module) for node in named),
            calls=frozenset(func.id for func in called if isinstance(func, ast.Name)),
            functions=tuple((f.lineno, f.name, (f.end_lineno or 0) - f.body[0].lineno + 1) for f in functions),
        )


@cache
def modules() -> dict[Path, Module]:
    """Every module of ours, read once for all tests."""
    return {
        path.relative_to(ROOT): Module.read(path)
        for package in MAY_IMPORT
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def forbidden_imports() -> Iterator[str]:
    for path, module in modules().items():
        allowed = MAY_IMPORT[path.parts[0]] | {path.parts[0]}
        for name in sorted(name for name in module.names if name.split(".")[0] in MAY_IMPORT):
            if not any(name == row or name.startswith(f"{row}.") for row in allowed):
                yield f"{path} imports {name}; {path.parts[0]} may import only {sorted(allowed)}"


def import_without_torchvision_admitted() -> Iterator[str]:
    """Modules that would break where the installed torchvision does not fit torch."""
    for path, module in modules().items():
        if module.sources & {"transformers", "torchvision"} and "admit_torchvision" not in module.calls:
            yield f"{path} imports transformers or torchvision; call `admit_torchvision()` before it does"


def long_functions() -> Iterator[str]:
    for path, module in modules().items():
        for line, name, lines in module.functions:
            if lines > FUNCTION_LINES:
                yield f"{path}:{line} {name} has {lines} lines"


def long_files() -> Iterator[str]:
    for path, module in modules().items():
        if module.lines > FILE_LINES:
            yield f"{path} has {module.lines} lines"


def imports_torch(names: Sequence[str]) -> bool:
    code = f"import sys, {', '.join(names)}; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return found.stdout == "True\n"  # what fails otherwise raises, with its exit code


def test_imports_point_downward() -> None:
    assert len(modules()) > 100
    assert not list(forbidden_imports())


def test_no_module_imports_itself_over_others() -> None:
    named = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): each for path, each in modules().items()}
    imports = {name: (each.names | each.sources) & named.keys() - {name} for name, each in named.items()}
    assert list(TopologicalSorter(imports).static_order())  # raises CycleError, which names the circle


def test_a_torchvision_that_does_not_fit_breaks_no_import() -> None:
    assert not list(import_without_torchvision_admitted())


def test_files_and_functions_stay_short() -> None:
    assert not [*long_files(), *long_functions()]


def test_every_module_says_what_it_is_for() -> None:
    assert not [path for path, module in modules().items() if not module.is_described]


def test_words_are_enough_without_torch() -> None:
    assert not imports_torch(TORCH_FREE), [name for name in TORCH_FREE if imports_torch([name])]


def test_every_file_of_a_package_is_installed_with_it() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    patterns = ["*.py", *tools["setuptools"]["package-data"]["*"]]
    paths = [path for package in MAY_IMPORT for path in (ROOT / package).rglob("*") if path.is_file()]
    found = [path.relative_to(ROOT) for path in paths if path.suffix != ".pyc"]
    assert not [path for path in found if not any(path.match(pattern) for pattern in patterns)]


def test_every_test_file_has_a_name_of_its_own() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == [], (
        "tests have no packages: one would hide the other"
    )
