"""MkDocs hook: puts the table of the native runtime's operators in place of `<!-- operators -->`."""

from __future__ import annotations

from typing import Any

from octavo.compiler.kinds import OPERATORS, Attribute, Repeat, Type

_MARKER = "<!-- operators -->"
_NOTES = {
    Repeat.ONCE: "",
    Repeat.PER_AXIS: " for each axis",
    Repeat.PER_BATCH_AXIS: " for each batch axis",
    Repeat.WITH_RESIDUAL: " with a residual",
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with the table of the operators."""
    return markdown.replace(_MARKER, table()) if _MARKER in markdown else markdown


def table() -> str:
    """One row per operator: number, name, whether tensors may be 16-bit, attributes in their order."""
    rows = [
        [str(op.number), op.name, "yes" if op.takes_16_bit else "", ", ".join(map(_attribute, op.attributes))]
        for op in OPERATORS.values()
    ]
    lines = [["kind", "operator", "16-bit tensors", "attributes"], ["---"] * 4, *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _attribute(attribute: Attribute) -> str:
    match attribute.type:
        case Type.INTEGER:
            kind = ""
        case Type.CHOICE:
            kind = ": " + " ".join(f"{number} {name}" for number, name in enumerate(attribute.choices, 1))
        case _:
            kind = f": {attribute.type.name.lower()}"
    return f"`{attribute.name}`{kind}{_NOTES[attribute.repeat]}"
