"""`octavo compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from octavo.cli.options import ImageSize, InputOffset, InputScale, Layout, Mean, Overwrite, Report, Std
from octavo.cli.outputs import check_outputs, check_page
from octavo.cli.preprocess import parse_preprocess
from octavo.report.terminal.console import stdout


def command(
    models: Annotated[
        list[Path],
        typer.Argument(
            metavar="A B...", help="Reference model, then the models to compare with it.", show_default=False
        ),
    ],
    data: Annotated[Path, typer.Option("--data", "-d", help="Samples: .npz, .npy or a folder of images.")],
    report: Report = None,
    input_scale: InputScale = None,
    input_offset: InputOffset = 0.0,
    image_size: ImageSize = None,
    mean: Mean = None,
    std: Std = None,
    layout: Layout = "NCHW",
    limit: Annotated[int, typer.Option("--samples", min=1, help="Use the first N samples.")] = 64,
    overwrite: Overwrite = False,
) -> None:
    """Compare models with the first one: SQNR and cosine of outputs and inner tensors."""
    check_outputs([report], [*models, data], overwrite)
    check_page(report)
    import octavo
    from octavo.graph import load, stored_bytes
    from octavo.report.html import comparison_page
    from octavo.report.plain import plain
    from octavo.report.terminal.comparison import show_comparisons
    from octavo.report.terminal.progress import watcher
    from octavo.report.text import size
    from octavo.system.files import write_text

    loaded = [load(path) for path in models]
    with watcher() as progress:
        comparisons = octavo.compare(
            *loaded,
            data=data,
            preprocess=parse_preprocess(input_scale, input_offset, image_size, mean, std, layout),
            limit=limit,
            progress=progress,
        )
    first, *others = (str(path) for path in models)
    tables = plain(comparisons)
    if report is not None:
        sizes = [size(stored_bytes(model)) for model in loaded]
        write_text(report, comparison_page(first, others, tables, sizes))
    show_comparisons(stdout(), others, tables)
