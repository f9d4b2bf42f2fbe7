"""A bundle: what it takes and gives, its operators, and its memory plan."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.compiler import Bundle, Place
from octavo.compiler.bundle import StoredTensor
from octavo.compiler.program import Size
from octavo.report.text import number_of, size


def show_bundle(console: Console, found: Bundle, memory_bytes: int) -> None:
    """Print inputs and outputs, the operators in order with their results' places, and the sizes."""
    if found.sizes:
        bounds = ", ".join(_bounds(each) for each in found.sizes)
        console.print(escape(f"sizes left open: {bounds}; it is shown as it was compiled"))
    for kind, slots in (("input", found.inputs), ("output", found.outputs)):
        for slot in slots:
            console.print(escape(f"{kind} {found.tensors[slot].name}: {_form(found.tensors[slot])}"))
    console.print(_operators(found))
    arena = [tensor for tensor in found.tensors if tensor.place is Place.ARENA]
    buffers = {(tensor.offset, tensor.size, tensor.name) for tensor in arena}
    console.print(
        f"constants {size(found.payload_bytes)}; the arena's {number_of(len(buffers), 'tensor')} of together "
        f"{size(sum(each[1] for each in buffers))} share {size(found.arena_bytes)}; "
        f"a session takes {size(memory_bytes)} with scratch"
    )


def _operators(found: Bundle) -> Table:
    table = Table(title=f"{number_of(len(found.operators), 'operator')} in order", title_justify="left")
    table.add_column("operator", overflow="fold")
    table.add_column("result", overflow="fold")
    for heading in ("size", "lies at"):
        table.add_column(heading, justify="right", no_wrap=True)
    for operator in found.operators:
        result = found.tensors[operator.output]
        label = f"[bold]{operator.kind}[/] {escape(operator.name)}"
        table.add_row(label, escape(_form(result)), size(result.size), _place(result))
    return table


def _bounds(size: Size) -> str:
    """The size's name and how long it may be."""
    return f"{size.name} {size.least}…{size.most}"


def _form(tensor: StoredTensor) -> str:
    return f"{tensor.dtype} [{', '.join(str(dim) for dim in tensor.shape)}]"


def _place(tensor: StoredTensor) -> str:
    """The bytes of the arena that it takes, or the output that it is."""
    if tensor.place is Place.ARENA:
        return f"{tensor.offset}…{tensor.offset + tensor.size}"
    return f"{tensor.place.name.lower()} {tensor.offset}"
