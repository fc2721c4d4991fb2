"""What processors and GPUs draw at rest and at work, by their kind, as others have published it.

[C] Cloud Carbon Footprint, `packages/common/src/ComputeProcessorTypes.ts` and the AWS constants beside it (averages of
    SPECpower results per hardware thread of a microarchitecture, at 0 % and at 100 % load; boards of GPUs).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Power(NamedTuple):
    """Watts at rest and at full load: of one hardware thread of a processor, of the board of a GPU."""

    name: str
    idle: float
    busy: float
    known: bool = True  # whether these are of this very kind


CPUS: Mapping[str, Power] = {
    "skylake": Power("Skylake", 0.65, 4.26),
    "cascade-lake": Power("Cascade Lake", 0.64, 3.97),
    "broadwell": Power("Broadwell", 0.71, 3.69),
    "haswell": Power("Haswell", 1.0, 4.74),
    "coffee-lake": Power("Coffee Lake", 1.14, 5.42),
    "ivy-bridge": Power("Ivy Bridge", 3.04, 8.25),
    "sandy-bridge": Power("Sandy Bridge", 2.17, 8.58),
    "epyc-1": Power("EPYC of the first generation", 0.82, 2.55),
    "epyc-2": Power("EPYC of the second generation", 0.47, 1.69),
    "epyc-3": Power("EPYC of the third generation", 0.45, 2.02),
    "graviton-2": Power("Graviton 2, taken as EPYC of the second generation", 0.47, 1.69),
}
AVERAGE = Power("average of a cloud's processors", 0.74, 3.5, known=False)
_NEWER_EPYC = CPUS["epyc-3"]._replace(name="a newer EPYC, taken as one of the third generation", known=False)
_MODELS: Mapping[tuple[str, int], Mapping[int, str]] = {  # by vendor and family
    ("GenuineIntel", 6): {
        **dict.fromkeys((79, 86), "broadwell"),
        **dict.fromkeys((60, 63, 69, 70), "haswell"),
        **dict.fromkeys((142, 158), "coffee-lake"),
        **dict.fromkeys((58, 62), "ivy-bridge"),
        **dict.fromkeys((42, 45), "sandy-bridge"),
        85: "skylake",
    },
    ("AuthenticAMD", 23): {1: "epyc-1", 8: "epyc-1", 49: "epyc-2"},
    ("AuthenticAMD", 25): {1: "epyc-3"},
}
_CASCADE_LAKE_STEPPING = 5  # of model 85, from which on it is one

GPUS: Mapping[str, Power] = {
    "A100": Power("A100", 46.0, 407.0),
    "A10G": Power("A10G", 18.0, 153.0),
    "V100": Power("V100", 35.0, 306.0),
    "P100": Power("P100", 36.0, 306.0),
    "P40": Power("P40", 30.0, 255.0),
    "P4": Power("P4", 9.0, 76.5),
    "T4": Power("T4", 8.0, 71.0),
    "K80": Power("K80", 35.0, 306.0),
    "M60": Power("M60", 35.0, 306.0),
}
UNKNOWN_GPU = GPUS["A100"]._replace(name="an unknown GPU, taken as an A100", known=False)


def cpu_power(cpuinfo: Path = Path("/proc/cpuinfo")) -> Power:
    """Return the power of a thread of this processor; the average of a cloud's where its kind is not known."""
    text = cpuinfo.read_text(errors="replace") if cpuinfo.is_file() else ""
    first = dict(re.findall(r"^([^:\n]+?)\s*:\s*(.*)$", text.partition("\n\n")[0], re.MULTILINE))
    if first.get("CPU implementer") == "0x41" and first.get("CPU part") == "0xd0c":
        return CPUS["graviton-2"]
    vendor, family, model = first.get("vendor_id", ""), _number(first, "cpu family"), _number(first, "model")
    name = _MODELS.get((vendor, family), {}).get(model)
    if name == "skylake" and _number(first, "stepping") >= _CASCADE_LAKE_STEPPING:
        return CPUS["cascade-lake"]
    if name is None and (vendor, family > 24) == ("AuthenticAMD", True):
        return _NEWER_EPYC
    return CPUS.get(name or "", AVERAGE)


def gpu_power(name: str, limit_w: float | None = None) -> Power:
    """Return the power of a GPU's board by its name; one that is not known is scaled to `limit_w`, its power limit."""
    for part, power in GPUS.items():
        if re.search(rf"\b{part}\b", name):
            return power
    if limit_w is None:
        return UNKNOWN_GPU
    share = UNKNOWN_GPU.idle / UNKNOWN_GPU.busy
    return Power(f"{name}, by its power limit", share * limit_w, limit_w, known=False)


def _number(values: Mapping[str, str], key: str) -> int:
    text = values.get(key, "")
    return int(text) if text.isdecimal() else -1
