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
    fields = tomllib.loads((FILES / f"{name}.toml").read_text(encoding="utf-8"))
    text = rendered(show_targets, ALL, "none", width=WIDE)
    ((_, activations, weights, placement),) = [row for row in rows(text) if row[0] == name]
    if "activations" in fields:
        assert activations.startswith(
            f"{fields['activations']['grid']} {'symmetric' if fields['activations']['symmetric'] else 'affine'}, "
            f"{fields['activations']['estimator']}"
        )
    else:
        assert activations == "float32"
    scales = "per channel" if fields["weights"]["per_channel"] else "per tensor"
    scales = f"in blocks of {fields['weights']['block_size']}" if "block_size" in fields["weights"] else scales
    assert weights.startswith(f"{fields['weights']['grid']}, {scales}")
    assert weights.endswith(fields["bias"]["grid"])
    assert placement == ("around operators" if fields["placement"]["behind"] else "before operators")
    (details,) = [part for part in text.split("\n\n") if part.startswith(f"{name}: {fields['title']}")]
    shown = " ".join(details.split())
    assert all(word in shown for word in fields["engines"] + fields["notes"])
    assert all(word in shown for word in fields["operators"]["compute"] + fields["operators"]["carry"])


def test_the_target_of_this_machine_is_marked() -> None:
    marked = [row[0] for row in rows(rendered(show_targets, ALL, "octavo", width=WIDE)) if "*" in row[0]]
    assert marked == ["octavo *"]


@pytest.mark.parametrize("width", WIDTHS)
def test_grids_and_names_are_not_broken(width: int) -> None:
    printed = words(rendered(show_targets, ALL, "octavo", width=width))
    assert {*target_names(), "int8[-127,127],", "int8[-63,63],", "uint8[0,127]", "fbgemm_histogram"} <= printed
