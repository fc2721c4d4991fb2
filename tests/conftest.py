"""Shared by all tests. Its place puts `tests/` on the path, so that helpers beside it can be imported by name."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from postgresql import start_server, url_of

from api.cli.app import GARBAGE
from optimizer.torchvision_ops import admit_torchvision

IN_MEMORY = Path("/dev/shm")
ROOM = 4 * 2**30  # bytes that must be free there; a run fills less than a quarter of them

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.dont_write_bytecode = False  # a process would compile all sources anew, and dozens are started
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
if "PYTEST_XDIST_WORKER" in os.environ:  # workers, and what they start, share the cores: more threads only wait
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of processes that tests start; this one has torch already
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
else:  # the hub's cache and the user's data are empty at first, whatever the user has in theirs; workers inherit it
    os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="hub-")
    atexit.register(shutil.rmtree, os.environ["HF_HOME"], ignore_errors=True)
    os.environ["XDG_DATA_HOME"] = str(Path(os.environ["HF_HOME"]) / "data")  # calibrations of energy among them
    if IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ROOM:  # the tests wait for a disk ten thousand times
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))

gc.disable()  # until all is imported: it would look at a million objects again and again, and find nothing to free
admit_torchvision()  # tests import transformers themselves

# The same examples in every run; `--hypothesis-profile default` looks for others.
settings.register_profile("suite", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("suite")


SLOWEST = (  # files start in this order, so that no worker is left alone with a long one at the end
    "api/pages/",
    "optimizer/families/encoders/",
    "optimizer/test_run.py",
    "api/runner/",
    "optimizer/tasks/texts/test_phrases.py",
    "api/test_hub.py",
    "optimizer/handover/",
    "api/test_remote.py",
    "api/test_cli.py",
    "api/test_trouble.py",
    "api/http/",
    "api/client/",
    "optimizer/",
    "search_spaces/transforms/",
    "studies/test_sql",
    "api/",
    "test_architecture.py",
)


TOGETHER = (  # files of a folder, or of one beginning, that share what is dear to make
    "api/http/",
    "api/pages/",
    "search_spaces/transforms/units/test_channel",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:  # Any: xdist's own classes
    """Have one worker run all files that share dear fixtures, and else every file whole."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return next((few for few in TOGETHER if file.startswith(f"tests/{few}")), file)

    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the files that take longest run first."""
    root = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        path = item.path.relative_to(root).as_posix()
        return next((i for i, slow in enumerate(SLOWEST) if path.startswith(slow)), len(SLOWEST))

    items.sort(key=rank)


def pytest_collection_finish() -> None:
    """Collect garbage from now on, but not among what was imported, and as seldom as the command line does."""
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    gc.enable()


def pytest_unconfigure() -> None:
    """Leave at once: the interpreter would look for garbage among all that was imported."""
    gc.freeze()


@pytest.fixture(scope="session")
def real_assets() -> Path:
    """The directory with a really fine-tuned model and its data; tests that want it are skipped without."""
    place = os.environ.get("REAL_ASSETS")
    if not place:
        pytest.skip("REAL_ASSETS names no directory with the real checkpoint and data")
    return Path(place)


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL."""
    server = start_server(tmp_path_factory.mktemp("pg"))
    yield url_of(server)
    server.cleanup()
