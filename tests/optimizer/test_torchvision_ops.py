"""torchvision built for another torch: a stand-in package, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DESCRIBES = """
import torch
for name in ("nms", "qnms"):
    torch.library.register_fake(f"torchvision::{name}")(lambda dets, scores, iou_threshold: dets)
"""
IMPORTS = """
try:
    import torchvision
except RuntimeError as error:
    print(error)
from optimizer.torchvision_ops import admit_torchvision
admit_torchvision()
import torchvision
print("imported")
"""


def test_a_torchvision_whose_operators_do_not_load_can_be_imported(tmp_path: Path) -> None:
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(DESCRIBES)
    (package / "_C.so").write_bytes(b"of another build")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run([sys.executable, "-c", IMPORTS], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["operator torchvision::nms does not exist", "imported"], done.stderr
