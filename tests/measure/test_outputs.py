"""The error of every output: sums over batches, the worst sample, and what is said of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.helpers.outputs import class_scores, detections

from octavo.data import Arrays
from octavo.measure import outputs
from octavo.measure.outputs import OutputFigure, lost_outputs, output_parts

Array = NDArray[Any]
RNG = np.random.default_rng(0)


def compared(floats: Array, ours: Array, producer: str = "", batch: int = 7) -> list[OutputFigure]:
    """The figures of an output `y`, from batches."""
    batches: list[tuple[Arrays, Arrays]] = [
        ({"y": floats[i : i + batch]}, {"y": ours[i : i + batch]}) for i in range(0, len(floats), batch)
    ]
    parts = output_parts([one for one, _ in batches], {"y": producer}, of_length=False)
    for part in parts:
        for one, two in batches:
            part.add(one, two)
    return [part.result() for part in parts]


@pytest.mark.parametrize(("batch", "values"), [(1, 1 << 22), (7, 1 << 22), (100, 1 << 22), (100, 200), (100, 1)])
def test_figures_are_those_of_all_samples(batch: int, values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "_VALUES", values)
    floats = RNG.normal(size=(40, 3, 5, 5))
    ours = floats + 0.1 * RNG.normal(size=floats.shape)
    ours[23] += 0.7
    (found,) = compared(floats, ours, batch=batch)
    errors = ((floats - ours) ** 2).reshape(40, -1).sum(1)
    mean = (floats**2).sum() / 40
    assert found.sqnr_db == pytest.approx(10 * np.log10((floats**2).sum() / errors.sum()))
    assert found.cosine == pytest.approx((floats * ours).sum() / np.sqrt((floats**2).sum() * (ours**2).sum()))
    assert found.worst_sample == 23
    assert found.worst_db == pytest.approx(10 * np.log10(mean / errors.max()))
    assert (found.name, found.part, found.figure) == ("y", "", "relative error of the whole")


def test_equal_outputs_are_exact() -> None:
    floats = class_scores(20, 8)
    (found,) = compared(floats, floats)
    assert (found.value, found.sqnr_db, found.worst_db) == (100, 200, 200)
    assert found.cosine == pytest.approx(1)


def test_boxes_and_scores_are_told_apart() -> None:
    floats = detections(20)
    ours = floats.copy()
    ours[:, 4:] = 0
    boxes, scores = compared(floats, ours)
    assert (boxes.title, scores.title) == ("columns 0–3 of output 'y'", "columns 4–9 of output 'y'")
    assert (boxes.value, boxes.sqnr_db) == (100, 200)
    assert scores.value < 10
    assert scores.sqnr_db == pytest.approx(0)
    assert "largest absolute error 0.02" in scores.details[0]


def test_probabilities_have_their_decisions_beside() -> None:
    floats = RNG.uniform(size=(30, 1))
    ours = floats.copy()
    ours[:3] = 1 - ours[:3]
    (found,) = compared(floats, ours, "Sigmoid")
    assert found.details == (
        f"largest absolute error {abs(ours - floats).max():.3g}",
        "decisions at 0.5: 90.00% the same",
    )


def test_what_may_be_class_scores_has_top1_beside() -> None:
    floats = RNG.normal(size=(40, 2))
    ours = floats.copy()
    ours[:10] = ours[:10, ::-1]
    (found,) = compared(floats, ours)
    assert found.figure == "relative error of the whole"
    assert found.details == ("top-1 if it holds class scores: 75.00% the same",)


def test_embeddings_have_their_neighbours_beside() -> None:
    floats = RNG.normal(size=(60, 32))
    (same,) = compared(floats, floats + 1e-4 * RNG.normal(size=floats.shape))
    (other,) = compared(floats, RNG.normal(size=floats.shape))
    assert same.details == ("nearest neighbour of 100.00% of the samples the same",)
    assert float(other.details[0].split()[3].rstrip("%")) < 20


def test_rows_that_a_model_selects_are_matched() -> None:
    sizes = [3, 0, 5, 1]
    floats = [{"y": RNG.uniform(10, 90, (1, size, 4))} for size in sizes]
    (part,) = output_parts(floats, {}, of_length=False)
    assert part.figure.nature.kind == "rows"
    ours = [floats[0]["y"][:, ::-1], floats[1]["y"], floats[2]["y"][:, 1:] * 1.01, np.zeros((1, 0, 4))]
    for one, two in zip(floats, ours, strict=True):
        part.add(one, {"y": two})
    assert part.values().tolist() == pytest.approx([100, 100, 200 * 4 / 9, 0])
    found = part.result()
    assert found.details == ("2 of 4 samples have another number of rows than in float",)
    # Only the rows of the third sample differ from their partners, by a hundredth.
    assert found.cosine == pytest.approx(1, abs=1e-3)
    assert 30 < found.sqnr_db < 50


def test_sequences_of_several_lengths_are_no_selected_rows() -> None:
    floats = [{"y": class_scores(length, 30, length)[None]} for length in (9, 14, 20)]
    (part,) = output_parts(floats, {}, of_length=True)
    assert part.figure.nature.kind == "classes"
    part.add(floats[0], {"y": floats[0]["y"][:, :, ::-1]})
    part.add(floats[1], floats[1])
    assert part.values().tolist() == [0, 100]


def test_the_effect_of_an_exchange_is_in_points() -> None:
    floats = RNG.normal(size=(20, 3, 6, 6))
    (part,) = output_parts([{"y": floats}], {}, of_length=False)
    part.add({"y": floats}, {"y": floats})
    assert 90 < part.exchanged <= 100


def test_outputs_of_text_are_left_out() -> None:
    assert output_parts([{"y": np.array(["a", "b"])}], {}, of_length=False) == []


def test_an_output_that_is_lost_is_named_where_no_label_tells_more() -> None:
    assert lost_outputs("first", [figure("first", 4.9)], unlabelled=False) == []
    for judged in ("", "first"):
        (found,) = lost_outputs(judged, [figure("first", 4.9)], unlabelled=True)
        assert "output 'first' keeps only 4.9 dB" in found
    assert lost_outputs("", [figure("first", 15.1)], unlabelled=True) == []
    assert (
        len(
            lost_outputs("first", [figure("first", 12.0), figure("second", 8.0), figure("third", 1.0)], unlabelled=True)
        )
        == 3
    )


def figure(name: str, sqnr_db: float) -> OutputFigure:
    return OutputFigure(name, "", "cosine", "why", 99.0, sqnr_db, 0.5, sqnr_db, 0)


@pytest.mark.parametrize(("other", "warned"), [(0.6, True), (15.0, True), (24.0, True), (26.0, False), (30.0, False)])
def test_an_output_that_is_much_worse_than_the_judged_one_is_named(other: float, warned: bool) -> None:
    found = lost_outputs("first", [figure("first", 38.7), figure("second", other)], unlabelled=False)
    assert len(found) == warned
    if warned:
        assert f"output 'second' keeps {other} dB" in found[0]
        assert "output 'first', which the metric judges, keeps 38.7 dB" in found[0]
        assert "`metric=second:agreement`" in found[0]
    assert lost_outputs("second", [figure("first", 38.7), figure("second", other)], unlabelled=False) == []
