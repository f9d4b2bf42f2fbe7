"""The compared quantizers as functions from a float model and samples to an INT8 file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path

from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

import octavo
from benchmarks.cases import Arrays

# Samples per step of ONNX Runtime's calibrators; measured to be faster than one sample at a time.
READER_BATCH = 10
TARGET = "x86-vnni"
# Arrays with one sample per row, or an iterable of batches of any length.
Calibration = Arrays | list[Arrays]
Tool = Callable[[Path, Calibration, Path], None]


def quantize_octavo(model: Path, calibration: Calibration, output: Path) -> None:
    """Octavo with default flags, without the layer errors and timing that the peers do not measure either."""
    octavo.quantize(model, calibration=calibration, target=TARGET, verify=False).save(output)


def quantize_ort_default(model: Path, calibration: Calibration, output: Path) -> None:
    """ONNX Runtime with default flags: min-max, s8·s8, per tensor, no pre-processing."""
    with redirect_stdout(StringIO()):
        quantize_static(model, output, Reader(calibration))


def ort_recommended(method: CalibrationMethod) -> Tool:
    """ONNX Runtime as its documentation recommends for x86: pre-processed, per channel, u8·s8."""

    def quantize(model: Path, calibration: Calibration, output: Path) -> None:
        prepared = output.with_suffix(".prepared.onnx")
        with redirect_stdout(StringIO()):  # the calibrators print their progress
            prepare(model, prepared)
            quantize_static(
                prepared,
                output,
                Reader(calibration),
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=method,
            )

    return quantize


def prepare(model: Path, prepared: Path) -> None:
    """ONNX Runtime's pre-processing, without symbolic shapes if it cannot infer them (as its message advises)."""
    with chdir(prepared.parent):  # it leaves a model in the working directory if it cannot infer shapes
        try:
            quant_pre_process(model, prepared)
        except Exception as error:
            if "symbolic shape inference" not in str(error):
                raise
            quant_pre_process(model, prepared, skip_symbolic_shape=True)


def quantize_nncf(preset: str) -> Tool:
    """NNCF with its default flags; `accurate` selects its slow bias correction. Needs the package nncf."""

    def quantize(model: Path, calibration: Calibration, output: Path) -> None:
        import nncf
        import onnx

        proto = onnx.load(model)
        items = calibration if isinstance(calibration, list) else list(batches(calibration, 1))
        kind = nncf.ModelType.TRANSFORMER if len(proto.graph.input) > 1 else None
        quantized = nncf.quantize(
            proto,
            nncf.Dataset(items),
            model_type=kind,
            fast_bias_correction=preset == "default",
            subset_size=len(items),
        )
        onnx.save(quantized, output)

    return quantize


def quantize_aimet(equalize: bool) -> Tool:
    """AIMET's simulation with its default flags, exported as QDQ; needs the package aimet-onnx."""

    def quantize(model: Path, calibration: Calibration, output: Path) -> None:
        import onnx
        from aimet_onnx import QuantizationSimModel
        from aimet_onnx.cross_layer_equalization import equalize_model

        proto = onnx.load(model)
        if equalize:
            equalize_model(proto)
        simulated = QuantizationSimModel(proto)
        simulated.compute_encodings(calibration if isinstance(calibration, list) else batches(calibration, 1))
        onnx.save(simulated.to_onnx_qdq(), output)

    return quantize


TOOLS: dict[str, Tool] = {
    "octavo": quantize_octavo,
    "ort-default": quantize_ort_default,
    "ort-minmax": ort_recommended(CalibrationMethod.MinMax),
    "ort-entropy": ort_recommended(CalibrationMethod.Entropy),
    "ort-percentile": ort_recommended(CalibrationMethod.Percentile),
}
# Additional tools of the accuracy comparison.
ACCURATE: dict[str, Tool] = {
    "nncf": quantize_nncf("default"),
    "nncf-accurate": quantize_nncf("accurate"),
    "aimet": quantize_aimet(False),
    "aimet-equalized": quantize_aimet(True),
}


def quiet() -> None:
    """Silence the warnings that the peers log."""
    logging.disable(logging.WARNING)


class Reader(CalibrationDataReader):  # type: ignore[misc]
    """A data reader for ONNX Runtime's calibrators; yields arrays in batches of `READER_BATCH` rows."""

    def __init__(self, calibration: Calibration) -> None:
        self._batches = iter(calibration) if isinstance(calibration, list) else batches(calibration, READER_BATCH)

    def get_next(self) -> Arrays | None:
        return next(self._batches, None)


def batches(arrays: Arrays, size: int) -> Iterator[Arrays]:
    """Rows of all arrays, `size` at a time."""
    total = len(next(iter(arrays.values())))
    for start in range(0, total, size):
        yield {name: array[start : start + size] for name, array in arrays.items()}


def own_lengths(arrays: Arrays) -> Calibration:
    """Texts one at a time without padding, which would widen the peers' ranges; other data unchanged."""
    if "attention_mask" not in arrays:
        return arrays
    lengths = arrays["attention_mask"].sum(axis=1)
    return [{name: a[row : row + 1, :length] for name, a in arrays.items()} for row, length in enumerate(lengths)]
