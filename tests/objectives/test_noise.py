from __future__ import annotations

import psutil
import pytest

from objectives.noise import Machine, Noise

QUIET = Machine(busy=100.0, own=50.0, stolen=0.0, idle=300.0, megahertz=2600.0)


def noise(*, seconds: float = 10.0, interrupted: float = 0.0, **after: float) -> str | None:
    cores = psutil.cpu_count()
    used = {"busy": 0.0, "own": 0.0, "stolen": 0.0, **after}
    idle = seconds * cores - used["busy"] - used["stolen"]
    later = Machine(
        busy=100 + used["busy"],
        own=50 + used["own"],
        stolen=used["stolen"],
        idle=300 + idle,
        megahertz=after.get("megahertz", 2600.0),
    )
    return Noise.between(QUIET, later, interrupted=interrupted).in_words()


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ({"busy": 10.0, "own": 10.0}, None),
        ({"busy": 10.0, "own": 5.0}, "0.5 processors at work for other programs"),
        ({"stolen": 4.0}, "of the time given to other virtual machines"),
        ({"megahertz": 1300.0}, "the clock rate moved by 50%"),
        ({"interrupted": 0.4}, "40% of the passes interrupted"),
    ],
)
def test_what_disturbs_is_named(after: dict[str, float], words: str | None) -> None:
    said = noise(**after)
    assert (said is None) if words is None else (said is not None and words in said)


def test_a_moment_too_short_for_the_systems_counters_says_nothing_of_others() -> None:
    assert noise(seconds=0.05, busy=0.05) is None


def test_this_machine_can_be_read() -> None:
    before, after = Machine.now(), Machine.now()
    assert after.busy >= before.busy > 0
    assert after.own >= before.own > 0
