"""Time and size of the report page of a network of 200 convolutions.

    python -m benchmarks.report_time

Prints the seconds of the quantization with its checks, the seconds of the page (including the import of the plotting
library), their ratio, and the size of the file. The Vega bundle, kept in the user's cache, is built before the clock
starts; that one-time cost is printed separately.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import octavo

_LAYERS, _CHANNELS, _SIDE, _SAMPLES = 200, 64, 28, 128


def main() -> None:
    """Measure and print one line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--json", type=Path, default=None, help="write the figures there")
    arguments = options.parse_args()
    figures = measured()
    print(json.dumps(figures))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")


def measured() -> dict[str, float]:
    """The figures, in seconds and bytes."""
    bundling = _bundled()
    samples = np.random.default_rng(0).normal(size=(_SAMPLES, _CHANNELS, _SIDE, _SIDE)).astype(np.float32)
    start = perf_counter()
    result = octavo.quantize(network(), samples, "octavo")
    quantized = perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        size = result.report(Path(folder) / "report.html").stat().st_size
    reported = perf_counter()
    return {
        "quantize_seconds": quantized - start,
        "report_seconds": reported - quantized,
        "share": (reported - quantized) / (quantized - start),
        "report_bytes": size,
        "bundle_seconds_once": bundling,
    }


def network() -> onnx.ModelProto:
    """A chain of 200 convolutions, each followed by Relu, with random weights."""
    rng, nodes, weights = np.random.default_rng(1), [], []
    for index in range(_LAYERS):
        array = (rng.normal(size=(_CHANNELS, _CHANNELS, 3, 3)) / np.sqrt(4.5 * _CHANNELS)).astype(np.float32)
        weights.append(numpy_helper.from_array(array, f"weight{index}"))
        nodes.append(helper.make_node("Conv", [f"x{index}", f"weight{index}"], [f"c{index}"], pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"c{index}"], [f"x{index + 1}"]))
    shape = ["N", _CHANNELS, _SIDE, _SIDE]
    ends = [helper.make_tensor_value_info(f"x{index}", TensorProto.FLOAT, shape) for index in (0, _LAYERS)]
    graph = helper.make_graph(nodes, "deep", ends[:1], ends[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _bundled() -> float:
    """The seconds of bundling Vega without a cache; fills the user's cache too."""
    from octavo.report.html.library import vega

    vega()
    with tempfile.TemporaryDirectory() as folder:
        before = os.environ.get("XDG_CACHE_HOME")
        os.environ["XDG_CACHE_HOME"] = folder
        start = perf_counter()
        vega()
        seconds = perf_counter() - start
        if before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = before
    return seconds


if __name__ == "__main__":
    main()
