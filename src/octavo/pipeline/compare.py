"""Compare models with a first one on the same samples."""

from __future__ import annotations

from octavo.data import Preprocess, SampleSource, open_samples
from octavo.errors import OptionError
from octavo.graph import input_specs
from octavo.measure.compare import Comparison
from octavo.measure.compare import compare as compare_pair
from octavo.pipeline.model_source import read_model
from octavo.pipeline.sources import OnnxSource
from octavo.system.progress import Progress


def compare(
    first: OnnxSource,
    *others: OnnxSource,
    data: SampleSource,
    preprocess: Preprocess | None = None,
    limit: int | None = 64,
    progress: Progress | None = None,
) -> list[Comparison]:
    """Compare models with the first one: SQNR and cosine of the outputs and of every tensor they share.

    Args:
        first: the reference model: the path of an ONNX file, or the model in memory.
        others: models to compare with it, quantized or not.
        data: samples, as `octavo.quantize` accepts them.
        preprocess: how stored numbers or images become model inputs.
        limit: use the first `limit` samples; None uses all.
        progress: receives progress events.

    Returns:
        One comparison for each of `others`.

    Raises:
        ModelError: a model cannot be read or run.
        DataError: the samples do not fit the first model.
        OptionError: there is no other model, or `limit` is not positive.
    """
    if not others:
        raise OptionError("there is no model to compare with the first; give two or more")
    reference, compared = read_model(first)[0], [read_model(model)[0] for model in others]
    samples = open_samples(data, input_specs(reference), preprocess=preprocess, limit=limit)
    return [compare_pair(reference, model, samples, progress=progress) for model in compared]
