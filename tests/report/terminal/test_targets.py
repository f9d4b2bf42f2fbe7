"""The table of targets shows the fields of their files."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from tests.helpers.consoles import WIDE, WIDTHS, rendered, rows, words

import octavo
from octavo.report.plain import plain
from octavo.report.terminal.targets import show_targets
from octavo.targets import target, target_names

FILES = Path(octavo.__file__).parent / "targets"
ALL = [plain(target(name)) for name in target_names()]


@pytest.mark.parametrize("name", target_names())
def test_a_target_is_shown_as_its_file_has_it(name: str) -> None:
    held = tomllib.loads((FILES / f"{name}.toml").read_text(encoding="utf-8"))
    text = rendered(show_targets, ALL, "none", width=WIDE)
    ((_, activations, weights, placement),) = [row for row in rows(text) if row[0] == name]
    if "activations" in held:
        assert activations.startswith(
            f"{held['activations']['grid']} {'symmetric' if held['activations']['symmetric'] else 'affine'}, "
            f"{held['activations']['estimator']}"
        )
    else:
        assert activations == "float32"
    scales = "per channel" if held["weights"]["per_channel"] else "per tensor"
    scales = f"in blocks of {held['weights']['block_size']}" if "block_size" in held["weights"] else scales
    assert weights.startswith(f"{held['weights']['grid']}, {scales}")
    assert weights.endswith(held["bias"]["grid"])
    assert placement == ("around operators" if held["placement"]["behind"] else "before operators")
    (details,) = [part for part in text.split("\n\n") if part.startswith(f"{name}: {held['title']}")]
    said = " ".join(details.split())
    assert all(each in said for each in held["engines"] + held["notes"])
    assert all(each in said for each in held["operators"]["compute"] + held["operators"]["carry"])


def test_the_target_of_this_machine_is_marked() -> None:
    marked = [row[0] for row in rows(rendered(show_targets, ALL, "octavo", width=WIDE)) if "*" in row[0]]
    assert marked == ["octavo *"]


@pytest.mark.parametrize("width", WIDTHS)
def test_grids_and_names_are_not_broken(width: int) -> None:
    found = words(rendered(show_targets, ALL, "octavo", width=width))
    assert {*target_names(), "int8[-127,127],", "int8[-63,63],", "uint8[0,127]", "fbgemm_histogram"} <= found
