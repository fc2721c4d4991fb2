"""Names, tables and groups: which unpruned model a pruned one is compared with."""

from __future__ import annotations

from pathlib import Path

import pytest
from analyzed_networks import save_networks

from optimizer.analysis.asked import Asked
from optimizer.analysis.facts import Facts, facts_of
from optimizer.analysis.groups import Group
from optimizer.errors import InputError

TWO = {"A_D_UNPRUNED": (8, 12), "A_D_random_PD1_GPR-30_x": (4, 4), "A_D_random_PD1_GPR-5_x": (6, 6)}


def groups(*named: Path | str, manifest: Path | None = None, parent: Path | None = None) -> list[Group]:
    asked = Asked(named=[str(each) for each in named], manifest=manifest, parent=parent)
    (part,) = asked.parts(lambda *_: None)
    return list(part.groups)


def names(found: list[Group]) -> dict[str, list[str]]:
    return {group.parent.name: [entry.name for entry in group.models] for group in found}


def test_names_tell_what_the_published_tool_reads() -> None:
    pruned = facts_of("VGG16_CIFAR10_SeNPIS_PD3_GPR-20_3x224")
    assert pruned == Facts(architecture="VGG16", dataset="CIFAR10", method="SeNPIS", distribution="PD3", ratio=20)
    assert facts_of("AlexNet_D_GPR-12.5_x") == Facts(architecture="AlexNet", dataset="D", ratio=12.5)
    assert facts_of("AlexNet_D_UNPRUNED").is_unpruned
    assert facts_of("my_model") == facts_of("a_b_c_d") == Facts()


def test_models_of_a_directory_go_with_the_unpruned_one_of_their_name(tmp_path: Path) -> None:
    place = save_networks(tmp_path, TWO)
    (place / "notes.txt").write_text("no model")
    ordered = {"A_D_UNPRUNED": ["A_D_random_PD1_GPR-5_x", "A_D_random_PD1_GPR-30_x"]}
    assert names(groups(place)) == names(groups(f"{place}/A_*")) == ordered
    assert names(groups(place, f"{place}/*.pth")) == ordered


def test_a_model_without_or_with_several_unpruned_ones_is_refused(tmp_path: Path) -> None:
    place = save_networks(tmp_path / "one", {"A_D_m_PD1_GPR-5_x": (6, 6)})
    with pytest.raises(InputError, match="nothing says which unpruned model A_D_m_PD1_GPR-5_x comes from"):
        groups(place)
    more = [save_networks(tmp_path / name, {"A_D_UNPRUNED": (8, 8)}) for name in ("two", "b")]
    with pytest.raises(InputError, match=r"may come from any of 'two/A_D_UNPRUNED.pth', 'b/A_D_UNPRUNED.pth'"):
        groups(place, *more)
    (group,) = groups(place, *more, parent=more[1] / "A_D_UNPRUNED.pth")
    assert (group.parent.place, [each.name for each in group.models]) == (
        str(more[1] / "A_D_UNPRUNED.pth"),
        ["A_D_m_PD1_GPR-5_x"],
    )
    with pytest.raises(InputError, match="only unpruned"):
        groups(more[0])


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    for named in ("nowhere", f"{tmp_path}/*.pth", str(tmp_path)):
        with pytest.raises(InputError, match="models"):
            groups(named)
    with pytest.raises(InputError, match=r"parent: .* does not exist"):
        groups(save_networks(tmp_path / "m", TWO), parent=tmp_path / "nowhere.pth")


def test_a_table_says_what_names_do_not(tmp_path: Path) -> None:
    place = save_networks(tmp_path, {"base": (8, 8), "lean": (4, 4), "leaner": (2, 2)})
    table = place / "models.csv"
    table.write_text(
        "path,parent,distribution,ratio,input,accuracy\n"
        "lean.pth,base.pth,PD2,50,3x12x12,0.9\n"
        "leaner.pth,base.pth,PD2,75,,\n"
    )
    (group,) = groups(manifest=table)
    assert names([group]) == {"base": ["lean", "leaner"]}
    assert group.models[0].metric == {"accuracy": 0.9}
    assert group.models[0].facts == Facts(distribution="PD2", ratio=50)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name\nx\n", "needs a column 'path'"),
        ("path,path\nx,y\n", "each column once"),
        ("path\nnowhere.pth\n", "row 2 .* does not exist"),
        ("path,ratio\nbase.pth,half\n", "ratio must be a number"),
        ("path,accuracy\nbase.pth,nan\n", "accuracy must be a number"),
        ("path,unpruned\nbase.pth,perhaps\n", "unpruned must be yes or no"),
        ("path,ratio\nbase.pth\n", "not as many cells"),
        ("path,ratio\nbase.pth,1,2\n", "not as many cells"),
        ("path,parent\nbase.pth,gone.pth\n", "gone.pth"),
    ],
)
def test_a_wrong_table_is_refused_by_its_row(content: str, message: str, tmp_path: Path) -> None:
    place = save_networks(tmp_path, {"base": (8, 8)})
    (place / "models.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        groups(manifest=place / "models.csv")
