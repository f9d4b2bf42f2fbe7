"""Types of the options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

BUNDLE = ".oct"

ModelPath = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="An ONNX file, or package.module:factory of PyTorch.", show_default=False),
]
TargetName = Annotated[
    str, typer.Option("--target", "-t", help="What to quantize for; a name, auto, or a target file.")
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", help="Node name, regular expression or operator type to leave in float; repeatable."),
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Threads of ONNX Runtime.", show_default=False)]
NativeThreads = Annotated[int, typer.Option("--threads", min=1, max=256, help="Threads that share the work.")]
InputScale = Annotated[
    float | None, typer.Option("--input-scale", help="Stored integers become x * scale + offset.", show_default=False)
]
InputOffset = Annotated[float, typer.Option("--input-offset", help="The offset that goes with --input-scale.")]
ImageSize = Annotated[
    str | None, typer.Option("--image-size", help="Resize images to HEIGHTxWIDTH.", show_default=False)
]
Mean = Annotated[str | None, typer.Option("--mean", help="Image mean, one number a channel: 0.5,0.5,0.5")]
Std = Annotated[str | None, typer.Option("--std", help="Image standard deviation, one number a channel.")]
Layout = Annotated[str, typer.Option("--layout", help="Order of the model's image axes: NCHW or NHWC.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", min=1, help="Samples a run.", show_default=False)]
Report = Annotated[
    Path | None, typer.Option("--report", help="Write an HTML page that shows the result.", show_default=False)
]
Overwrite = Annotated[bool, typer.Option("--force", help="Overwrite output files that exist.")]
