from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from optimizer.errors import MachineError
from optimizer.fronts.headline import headline
from optimizer.report import report_html, write_report
from optimizer.views.member import Baseline, LatencyView, Member, RunResult, StoppedEarly, VerificationView
from studies.records import Verdict

LATENCY = LatencyView(batch=1, seconds=0.01, ratio=0.5, ratio_interval=(0.4, 0.6), gain=True, source="measured")


def member(number: int, verdict: Verdict | None) -> Member:
    drop = {Verdict.REFUTED: 0.02}.get(verdict, 0.004) if verdict else 0.0
    verification = verdict and VerificationView(
        n=100, accuracy=0.9, drop=drop, interval=(drop - 0.01, drop + 0.01), upper_95=drop + 0.008, verdict=verdict
    )
    return Member(
        candidate=number, config={"layer.0.heads": 2, "layer.0.neurons": 8}, form="reconstructed", origin="ladder",
        accuracy=0.9, drop=0.001, drop_interval=(0.0, 0.002), seen=100, verification=verification,
        flops_ratio=0.4 + number / 10, flops=1e9, parameters=10, size_bytes=40, latency=(LATENCY,), latency_ratio=0.5,
    )  # fmt: skip


def result(front: tuple[Member, ...], **changes: object) -> RunResult:
    fields = {
        "study": "s", "state": "complete", "model": "m", "task": "t", "epsilon": 0.01, "seed": 0, "metric": "accuracy",
        "objectives": ("flops",), "conditions": {"device": "cpu"}, "notes": ("a note",), "front": front,
        "baseline": Baseline(flops=2e9, parameters=20, size_bytes=80, accuracy=0.91, n=100),
        "shortlist_size": 3,
        "verification_uses": 1, "knee": front[0].candidate if front else None, "hypervolume": 0.5,
        "least_violating": (),
        "candidates_evaluated": 3, "seconds": {"search": 1.0},
        "stopped_early": StoppedEarly(candidates=1, examples_saved=0.1),
    }  # fmt: skip
    return RunResult.model_validate({**fields, **changes})


def embedded(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: dict[str, object] = json.loads(found[1])
    return data


def test_the_page_carries_all_members_and_needs_no_network() -> None:
    members = [member(0, Verdict.VERIFIED), member(1, None)]
    page = report_html(result((members[0],)), members)
    assert embedded(page)["members"] == [m.model_dump(mode="json") for m in members]
    outside = page.replace("<script>", "\n<script>").split("<script>")[0]
    assert not re.search(r'(src|href)\s*=\s*"', outside)


def test_names_cannot_break_out_of_the_page() -> None:
    evil = '</script><script>alert("x")</script>'
    page = report_html(result((member(0, Verdict.VERIFIED),), model=evil, notes=(evil,)), [member(0, Verdict.VERIFIED)])
    assert evil not in page
    assert embedded(page)["result"]["model"] == evil  # type: ignore[index]


@pytest.mark.parametrize(
    ("front", "words"),
    [
        ((), "Nothing is feasible"),
        ((member(0, Verdict.REFUTED),), "No member of the front has a drop"),
        (
            (member(0, Verdict.REFUTED), member(1, Verdict.CERTIFIED), member(2, Verdict.VERIFIED)),
            "Leanest certified: candidate #1 with 50% of the dense model's FLOPs, drop 0.0040 [-0.0060, 0.0140] "
            "on 100 verification examples.",
        ),
    ],
)
def test_the_headline_says_what_came_out(front: tuple[Member, ...], words: str) -> None:
    assert headline(result(front)).startswith(words)


def test_the_headline_goes_by_the_first_objective_of_the_study() -> None:
    whole, small = member(1, Verdict.CERTIFIED), member(2, Verdict.CERTIFIED)
    whole = whole.model_copy(update={"flops_ratio": 1.0, "bit_operations_ratio": 0.074, "latency_ratio": 0.38})
    small = small.model_copy(update={"flops_ratio": 0.5, "bit_operations_ratio": 0.08, "latency_ratio": 0.25})
    found = result((whole, small))
    by_latency = found.model_copy(update={"objectives": ("latency", "size")})
    shares = "25% of the dense model's latency, 50% of its FLOPs and 8.0% of its bit operations"
    assert headline(by_latency).startswith(f"Leanest certified: candidate #2 with {shares}, drop")
    assert headline(found).startswith("Leanest certified: candidate #1 with 100% of the dense model's FLOPs and 7.4%")


def test_the_headline_quotes_the_certified_member_before_a_leaner_one_and_the_leaner_one_with_its_doubt() -> None:
    lean, sure = member(0, Verdict.VERIFIED), member(1, Verdict.CERTIFIED)
    assert lean.verification is not None
    doubt = {"shrunken_drop": 0.0082, "shrunken_interval": (0.002, 0.0144), "chance_above": 0.34}
    lean = lean.model_copy(update={"verification": lean.verification.model_copy(update=doubt)})
    said = headline(result((lean, sure)))
    assert said.index("certified: candidate #1") < said.index("verified: candidate #0")
    assert "corrected for luck the drop is 0.0082" in said
    assert said.endswith("the chance that it is above ε = 0.01 is at most 34%.")
    assert headline(result((lean,))).startswith("No member is certified. Leanest verified: candidate #0")


def test_a_study_without_a_baseline_still_has_a_report(tmp_path: Path) -> None:
    write_report(result((), baseline=None, hypervolume=None), [], tmp_path / "deep" / "report.html")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["report.html"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(MachineError, match="cannot write"):
        write_report(result(()), [], tmp_path / "file" / "report.html")


def test_bars_are_shares_of_the_dense_model() -> None:
    dense = Baseline(flops=2e9, parameters=20, size_bytes=80, accuracy=0.91, n=100, config={"layer.0.heads": 12})
    page = report_html(result((), baseline=dense), [member(0, Verdict.VERIFIED)])
    assert embedded(page)["result"]["baseline"]["config"] == {"layer.0.heads": 12}  # type: ignore[index]
    assert "dense?.config" in page
