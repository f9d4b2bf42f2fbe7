"""Option types that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

BUNDLE = ".oct"

ModelPath = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL", help="ONNX file, or package.module:factory for a PyTorch model.", show_default=False
    ),
]
TargetName = Annotated[
    str, typer.Option("--target", "-t", help="Target: a name, auto for this machine, or a target file.")
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", help="Node name, regular expression or operator type to leave in float; repeatable."),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Threads of ONNX Runtime; by default its own choice.", show_default=False),
]
NativeThreads = Annotated[int, typer.Option("--threads", min=1, max=256, help="Number of threads.")]
InputScale = Annotated[
    float | None,
    typer.Option("--input-scale", help="Scale of stored integers: x * scale + offset.", show_default=False),
]
InputOffset = Annotated[float, typer.Option("--input-offset", help="Offset of stored integers: x * scale + offset.")]
ImageSize = Annotated[
    str | None, typer.Option("--image-size", help="Resize images to HEIGHTxWIDTH.", show_default=False)
]
Mean = Annotated[str | None, typer.Option("--mean", help="Image mean of each channel: 0.5,0.5,0.5")]
Std = Annotated[str | None, typer.Option("--std", help="Image standard deviation of each channel: 0.5,0.5,0.5")]
Layout = Annotated[str, typer.Option("--layout", help="Axis order of the image input: NCHW or NHWC.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", min=1, help="Samples per run.", show_default=False)]
Report = Annotated[
    Path | None, typer.Option("--report", help="Write an HTML page of the result to this file.", show_default=False)
]
Overwrite = Annotated[bool, typer.Option("--force", help="Overwrite existing output files.")]
