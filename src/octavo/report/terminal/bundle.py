"""A bundle: its inputs and outputs, its operators, and its memory plan."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.report.plain import Plain
from octavo.report.text import number_of, size


def show_bundle(console: Console, bundle: Plain, memory_bytes: int) -> None:
    """Print inputs and outputs, the operators in order with the location of their results, and the sizes.

    Args:
        console: where to print.
        bundle: the plain form of a `Bundle`.
        memory_bytes: memory of a session.
    """
    tensors = bundle["tensors"]
    if bundle["sizes"]:
        bounds = ", ".join(f"{dim['name']} {dim['minimum']}…{dim['maximum']}" for dim in bundle["sizes"])
        console.print(escape(f"dynamic sizes: {bounds}; shown at the sizes it was compiled for"))
    for kind in ("input", "output"):
        for number in bundle[f"{kind}s"]:
            console.print(escape(f"{kind} {tensors[number]['name']}: {_type(tensors[number])}"))
    console.print(_operators(bundle))
    buffers = {(tensor["offset"], tensor["size"], tensor["name"]) for tensor in tensors if tensor["place"] == "arena"}
    console.print(
        f"constants {size(bundle['payload_bytes'])}; {number_of(len(buffers), 'tensor')} in the arena, "
        f"{size(sum(length for _, length, _ in buffers))} in total, share {size(bundle['arena_bytes'])}; "
        f"a session needs {size(memory_bytes)} with scratch memory"
    )


def _operators(bundle: Plain) -> Table:
    table = Table(title=f"{number_of(len(bundle['operators']), 'operator')} in order", title_justify="left")
    table.add_column("operator", overflow="fold")
    table.add_column("result", overflow="fold")
    for heading in ("size", "location"):
        table.add_column(heading, justify="right", no_wrap=True)
    for operator in bundle["operators"]:
        result = bundle["tensors"][operator["output"]]
        label = f"[bold]{operator['kind']}[/] {escape(operator['name'])}"
        table.add_row(label, escape(_type(result)), size(result["size"]), _location(result))
    return table


def _type(tensor: Plain) -> str:
    return f"{tensor['dtype']} [{', '.join(str(dim) for dim in tensor['shape'])}]"


def _location(tensor: Plain) -> str:
    """The byte range of an arena tensor, else the kind of its memory and the number or offset there."""
    if tensor["place"] == "arena":
        return f"{tensor['offset']}…{tensor['offset'] + tensor['size']}"
    return f"{tensor['place']} {tensor['offset']}"
