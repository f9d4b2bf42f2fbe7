"""The operators of the native runtime, as docs/reference/bundle.md lists them."""

from __future__ import annotations

from tests.helpers.native_build import ROOT

from octavo.compiler.kinds import KINDS


def test_the_page_lists_them_in_the_order_of_their_numbers() -> None:
    page = (ROOT / "docs" / "reference" / "bundle.md").read_text(encoding="utf-8")
    _, _, behind = page.partition("Kinds, from 1: ")
    listed, _, _ = behind.partition(".")
    assert tuple(" ".join(listed.split()).split(", ")) == KINDS
