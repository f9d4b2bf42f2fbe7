"""Agreement with the float model, for data without labels."""

from __future__ import annotations

import numpy as np

from octavo.data import Arrays
from octavo.measure.metrics.figures import figures, points
from octavo.measure.metrics.metric import Doubles, Metric, only_output


def agreement() -> Metric:
    """Agreement with the float model in points, by the figure that fits the output.

    For class scores whether the best class is the same, for whole numbers whether they are equal, for embeddings 100
    times the cosine similarity, for probabilities and masks 100 minus the absolute error in percent of their sum, for
    regressions 100 minus the error in percent of the whole output's length; for rows that the model selects, such as
    boxes, the share that both models have. Boxes and scores on one axis are judged apart, by the worse.
    """
    return Metric("agreement", "points", per_sample=_agree, fits_outputs=True)


def _agree(outputs: Arrays, reference: Arrays, floats: Arrays) -> Doubles:
    quantized, expected = only_output(outputs), only_output(floats)
    found = []
    for figure in figures(expected):
        numbers = figure.compare(quantized, expected)
        found.append(numbers if figure.size is None else points(numbers, float(figure.size(expected).mean())))
    return found[int(np.argmin([numbers.mean() for numbers in found]))]
