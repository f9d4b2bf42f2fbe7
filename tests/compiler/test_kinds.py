"""The operators of the native runtime: the schema in Python, and its table in docs/reference/bundle.md."""

from __future__ import annotations

import runpy

import pytest
from tests.helpers.native_build import ROOT
from tests.helpers.native_corpus import bundles

from octavo.compiler import read_bundle
from octavo.compiler.kinds import KINDS, OPERATORS, Operator


def test_the_page_lists_them_in_the_order_of_their_numbers() -> None:
    hook = runpy.run_path(str(ROOT / "docs" / "operators_hook.py"))
    page = hook["on_page_markdown"]((ROOT / "docs" / "reference" / "bundle.md").read_text(encoding="utf-8"))
    rows = [line.split(" | ") for line in page.splitlines()]
    listed = [(row[0].removeprefix("| "), row[1]) for row in rows if len(row) == 4 and row[1] in KINDS]
    assert listed == [(str(number), name) for number, name in enumerate(KINDS, 1)]


def test_numbers_count_from_one() -> None:
    assert [operator.number for operator in OPERATORS.values()] == list(range(1, len(KINDS) + 1))


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=lambda operator: operator.name)
def test_attribute_names_are_unique(operator: Operator) -> None:
    names = [attribute.name for attribute in operator.attributes]
    assert len(set(names)) == len(names)


def test_attributes_of_every_operator_survive_unpacking_and_packing() -> None:
    for content in bundles().values():
        for stored in read_bundle(content).operators:
            operator = OPERATORS[stored.kind]
            numbers = list(stored.attributes)
            assert operator.pack(operator.unpack(numbers)) == numbers, stored.kind


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("Concat", {}, r"missing \['axis'\]"),
        ("Concat", {"axis": 0, "axes": 1}, r"unknown attributes \['axes'\]"),
        ("Concat", {"axis": [0]}, "attribute axis takes one value"),
        ("Transpose", {"perm": 1}, "attribute perm takes a list"),
    ],
)
def test_wrong_attributes_are_refused(name: str, values: dict[str, int | list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OPERATORS[name].pack(dict(values))
