"""The calibration pass: exact bounds, and the same bytes for any batching and after any interruptions."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from tests.helpers import jobs
from tests.helpers.calibration import (
    SAMPLES,
    Counter,
    Stopping,
    calibrated,
    floats,
    inputs,
    prepared,
    reference_values,
    rewritten,
    serialized,
    time_first,
    tokens,
    unary,
)
from tests.helpers.distributions import sketch_of
from tests.helpers.models import ONE, PATTERNS, build, conv_relu, mlp, node, random

import octavo
from octavo.calibrate.collector import HISTOGRAM_VALUES
from octavo.engines.onnxruntime import Session
from octavo.errors import DataError, OptionError
from octavo.ranges import RangeSketch
from octavo.ranges.fbgemm_histogram import FbgemmHistogram
from octavo.ranges.moving_average import MovingAverage
from octavo.system.progress import Silent

MODULE = importlib.import_module("octavo.calibrate.run")
MODEL = prepared(conv_relu())
X = inputs(MODEL)["x"]
BATCH = 4
ONE_HUGE = np.where(np.arange(SAMPLES) == 7, 1e30, 1.0).reshape(-1, 1, 1, 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.checkpoint"


@pytest.fixture
def checkpoint_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every batch."""
    monkeypatch.setattr(MODULE, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """Counts the samples that go through the model."""
    counter = Counter()
    monkeypatch.setattr(Session, "run", counter.patch())
    return counter


class TestValues:
    @pytest.mark.parametrize(
        "name", ["conv_relu", "mlp", "embedding", "pooling", "layer_norm", "residual", "attention", "gate"]
    )
    def test_bounds_and_counts_equal_those_of_all_values(self, name: str) -> None:
        model = prepared(PATTERNS[name]())
        feeds = inputs(model)
        fixed = isinstance(model.graph.inputs[0].shape[0], int)
        values = reference_values(model, feeds, 1 if fixed else SAMPLES)
        observers = calibrated(model, feeds).observers
        assert set(observers) == set(values)
        for tensor, array in values.items():
            sketch = observers[tensor]
            assert (sketch.min, sketch.max, sketch.count) == (array.min(), array.max(), array.size), tensor
            assert (sketch.nan_count, sketch.inf_count) == (0, 0)
            if array[0].size <= HISTOGRAM_VALUES:
                assert sketch.to_bytes() == sketch_of(array).to_bytes()

    def test_large_tensors_have_exact_bounds_and_a_subsampled_histogram(self) -> None:
        model = prepared(build([node("Relu", ["x"], "y")], {"x": ["N", 3, 40, 40]}, {"y": ["N", 3, 40, 40]}))
        x = inputs(model, 6)["x"]
        observers = calibrated(model, x, batch_size=4).observers
        for name, values in (("x", x), ("y", np.maximum(x, 0))):
            assert (observers[name].min, observers[name].max, observers[name].count) == (
                values.min(),
                values.max(),
                values.size,
            )
            low, high, counts = observers[name].histogram()
            assert 2 * HISTOGRAM_VALUES < counts.sum() <= 6 * HISTOGRAM_VALUES
            middle = np.interp(0.75, np.cumsum(counts) / counts.sum(), (low + high) / 2)
            assert abs(middle - np.quantile(values, 0.75)) < 0.1

    def test_padding_to_a_fixed_batch_is_not_counted(self) -> None:
        model = prepared(build([node("Neg", ["x"], "y")], {"x": [4, 5]}, {"y": [4, 5]}))
        x = np.arange(50, dtype=np.float32).reshape(10, 5)
        calibration = calibrated(model, x)
        assert serialized(calibration)[0] == {"x": sketch_of(x).to_bytes(), "y": sketch_of(-x).to_bytes()}
        assert calibration.samples == 10

    def test_inputs_alone_need_no_run_of_the_model(self, counter: Counter) -> None:
        assert serialized(calibrated(MODEL, X, ["x"]))[0] == {"x": sketch_of(X).to_bytes()}
        assert counter.samples == 0

    @pytest.mark.parametrize("values", [0.0, -0.0, 3.7, -1e-45, 3.4e38])
    def test_both_bounds_of_a_constant_tensor_are_its_value(self, values: float) -> None:
        sketch = calibrated(unary("Identity"), np.full((9, 24), values, np.float32), ["x"]).observers["x"]
        assert (sketch.min, sketch.max, sketch.count) == (np.float32(values), np.float32(values), 216)

    def test_one_huge_sample_among_many_is_a_bound(self) -> None:
        x = np.random.default_rng(0).normal(size=(99, 24)).astype(np.float32)
        x[57] *= 1e30
        observers = calibrated(unary("Neg"), x, batch_size=10).observers
        assert (observers["x"].min, observers["x"].max) == (x.min(), x.max())
        assert (observers["t1"].min, observers["t1"].max) == (-x.max(), -x.min())

    def test_non_finite_values_are_counted_and_excluded(self) -> None:
        x = np.random.default_rng(0).normal(size=(30, 24)).astype(np.float32)
        x[:, :3] = 0
        sketch = calibrated(unary("Log"), x, batch_size=7).observers["t1"]
        with np.errstate(all="ignore"):
            logs = reference_values(unary("Log"), {"x": x}, 30)["t1"]
        finite = logs[np.isfinite(logs)]
        assert (sketch.nan_count, sketch.inf_count, sketch.count) == ((x < 0).sum(), 90, 720)
        assert (sketch.min, sketch.max) == (finite.min(), finite.max())


class TestResult:
    """Quantization with unusual ranges."""

    def test_non_finite_values_give_a_warning_and_widen_no_range(self) -> None:
        nodes = [node("Gemm", ["x", "w"], "g"), node("Log", ["g"], "l"), node("Gemm", ["l", "w"], "y")]
        model = build(nodes, {"x": ["N", 8]}, {"y": ["N", 8]}, {"w": np.eye(8, dtype=np.float32)})
        x = np.random.default_rng(0).uniform(0.5, 9, (20, 8)).astype(np.float32)
        x[3, 2], x[4, 5], x[5, 5] = 0, -1, -2
        result = jobs.quantized(model, {"x": x}, "octavo", estimator="minmax")
        (warning,) = [text for text in result.warnings if "'l'" in text]
        assert "NaN or infinite for 3 of 160 values in the float model; they were left out of its range" in warning
        scale = next(layer.inputs[0].scale[0] for layer in result.layers if layer.name == "gemm_y")
        logs = np.log(x[x > 0])
        assert scale == pytest.approx((logs.max() - logs.min()) / 255, rel=1e-6)

    @pytest.mark.parametrize("x", [X * 0, X * 0 + 3, X * ONE_HUGE, X * 5e37], ids=["0", "3", "one huge", "huge"])
    @pytest.mark.parametrize("estimator", ["minmax", "mse", "entropy", "percentile"])
    def test_every_scale_is_valid_for_any_samples(self, x: np.ndarray, estimator: str) -> None:
        result = jobs.quantized(calibration={"x": x.astype(np.float32)}, estimator=estimator)
        scales = [
            scale
            for layer in result.layers
            for tensor in (layer.output, *layer.inputs)
            if tensor
            for scale in tensor.scale
        ]
        assert bool(np.isfinite(scales).all())
        assert min(scales) >= np.finfo(np.float32).tiny


class TestBatches:
    @pytest.mark.parametrize("size", [1, 7, 32, None])
    @pytest.mark.parametrize("make", [conv_relu, mlp, tokens, time_first, PATTERNS["pooling"], PATTERNS["layer_norm"]])
    def test_any_batch_size_gives_the_same_bytes(self, make: Callable[[], onnx.ModelProto], size: int | None) -> None:
        model = prepared(make())
        feeds = inputs(model, T=50)
        assert serialized(calibrated(model, feeds, batch_size=size)) == serialized(
            calibrated(model, feeds, batch_size=SAMPLES)
        )

    @settings(max_examples=20)
    @given(st.sets(st.integers(1, SAMPLES - 1)), st.booleans())
    def test_the_batches_of_an_iterable_give_the_same_bytes_as_the_array(self, cuts, named):
        parts = np.split(X, sorted(cuts))
        items = [{"x": part} for part in parts] if named else [part[0] if len(part) == 1 else part for part in parts]
        assert serialized(calibrated(MODEL, items)) == serialized(calibrated(MODEL, X))

    def test_sequences_of_differing_length(self) -> None:
        model, rng = prepared(tokens()), np.random.default_rng(0)
        items = [rng.normal(size=(n, t, 64)).astype(np.float32) for n, t in ((2, 5), (1, 9), (3, 40), (1, 1), (4, 16))]
        calibration = calibrated(model, [{"x": item} for item in items])
        parts = [reference_values(model, {"x": item}, len(item)) for item in items]
        for name in floats(model):
            values = np.concatenate([part[name].reshape(-1) for part in parts])
            sketch = calibration.observers[name]
            assert (sketch.min, sketch.max, sketch.count) == (values.min(), values.max(), values.size)
        individual = [{"x": row[None]} for item in items for row in item]
        assert serialized(calibration) == serialized(calibrated(model, individual))
        assert calibration.samples == 11

    def test_threads_do_not_change_the_bytes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(MODULE, "_BATCH_BYTES", 1)
        expected = serialized(calibrated(MODEL, X, threads=1))
        for threads in (2, 3, 9):
            assert serialized(calibrated(MODEL, X, threads=threads)) == expected


def rows(fail_after: int | None = None) -> Iterator[np.ndarray]:
    """The samples; raises an error after `fail_after`."""
    for index, row in enumerate(X):
        if index == fail_after:
            raise RuntimeError("the disk is gone")
        yield row


def failing_session(after: int) -> Callable[[Session, Any], Any]:
    """Session.run that raises KeyboardInterrupt after `after` samples."""
    calls, run_session = iter(range(after // BATCH)), Session.run

    def run(session: Session, feeds: Any) -> Any:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return run_session(session, feeds)

    return run


def stopped(path: Path, after: int = 20, model: ir.Model = MODEL, source: Any = X, **options: Any) -> bytes:
    """Stop a pass after `after` samples; the content of its checkpoint."""
    given_options = {"batch_size": BATCH, **options}
    with pytest.raises(KeyboardInterrupt):
        calibrated(model, source, checkpoint=path, progress=Stopping(after, KeyboardInterrupt()), **given_options)
    return path.read_bytes()


class TestResume:
    @pytest.mark.parametrize("how", ["progress fails", "source fails", "Ctrl-C", "Ctrl-C in a run"])
    def test_a_stopped_pass_resumes_and_ends_with_the_same_bytes(
        self, how: str, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = serialized(calibrated(MODEL, X))
        kind = KeyboardInterrupt if "Ctrl-C" in how else RuntimeError
        source = rows(fail_after=20) if how == "source fails" else X
        progress = Stopping(20, kind()) if how in ("progress fails", "Ctrl-C") else Silent()
        counter = Counter()
        if how == "Ctrl-C in a run":
            monkeypatch.setattr(MODULE, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
            monkeypatch.setattr(Session, "run", failing_session(after=20))
        with pytest.raises(kind):
            calibrated(MODEL, source, checkpoint=path, progress=progress, batch_size=BATCH)
        assert path.exists()
        monkeypatch.setattr(Session, "run", counter.patch())
        source = rows() if how == "source fails" else X
        assert serialized(calibrated(MODEL, source, checkpoint=path, batch_size=BATCH)) == expected
        assert counter.samples == SAMPLES - 20
        assert os.listdir(path.parent) == []

    @pytest.mark.parametrize("kind", [RangeSketch, MovingAverage, FbgemmHistogram])
    def test_a_pass_may_be_stopped_several_times(self, kind: type, path: Path, counter: Counter) -> None:
        expected = serialized(calibrated(MODEL, X, observer=kind, batch_size=BATCH))
        counter.samples = 0
        for after in (4, 4, 12, 28, SAMPLES):
            stopped(path, after, observer=kind)
        assert serialized(calibrated(MODEL, X, observer=kind, batch_size=BATCH, checkpoint=path)) == expected
        assert counter.samples == SAMPLES

    def test_the_file_on_disk_is_a_valid_checkpoint_at_any_time(
        self, path: Path, checkpoint_every_batch: None, tmp_path: Path
    ) -> None:
        expected = serialized(calibrated(MODEL, X))
        copies: list[Path] = []

        class Copying(Silent):
            def advance(self, steps: int = 1) -> None:
                copies.append(tmp_path / f"copy{len(copies)}")
                if path.exists():
                    shutil.copy(path, copies[-1])

        calibrated(MODEL, X, checkpoint=path, progress=Copying(), batch_size=BATCH)
        assert len(copies) == SAMPLES // BATCH
        assert sum(copy.exists() for copy in copies) == len(copies) - 1
        for copy in copies:
            assert serialized(calibrated(MODEL, X, checkpoint=copy, batch_size=BATCH)) == expected

    def test_ctrl_c_at_any_line_loses_no_value_and_counts_none_twice(
        self, path: Path, checkpoint_every_batch: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "fsync", lambda _: None)
        model = unary("Neg", shape=("N", 1500))
        x = inputs(model, 5)["x"][:, ::-1]
        expected = serialized(calibrated(model, x))

        def attempt() -> Any:
            return serialized(calibrated(model, x, batch_size=2, checkpoint=path))

        total = lines_of(attempt)
        assert total > 250
        for line in range(1, total, max(total // 150, 1)):
            # In a thread of its own: raising between two lines leaves CPython with an exception that counts as being
            # handled, to which all later ones of the same thread are chained.
            with ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt):
                pool.submit(lines_of, attempt, line).result()
            assert attempt() == expected, line
            assert not path.exists()

    def test_the_time_of_all_parts_is_counted(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        class Clock(Silent):
            """A clock that advances only between the start and the end of the pass."""

            now = 7.0

            def done(self) -> None:
                self.now += 2.5

        clock = Clock()
        stopped(path)
        key = json.loads(member(path, "header.json"))
        rewritten(path, **{"header.json": json.dumps({**key, "seconds": 1000.0}).encode()})
        monkeypatch.setattr(MODULE, "monotonic", lambda: clock.now)
        assert calibrated(MODEL, X, checkpoint=path, batch_size=BATCH, progress=clock).seconds == 1002.5

    def test_progress_includes_the_samples_of_the_checkpoint(self, path: Path) -> None:
        stopped(path)
        events: list[object] = []

        class Recorder(Silent):
            def start(self, stage: str, total: int | None = None) -> None:
                events.append((stage, total))

            def advance(self, steps: int = 1) -> None:
                events.append(steps)

            def done(self) -> None:
                events.append("done")

        calibrated(MODEL, X, checkpoint=path, progress=Recorder(), batch_size=BATCH)
        assert events == [("calibrate", SAMPLES), *[BATCH] * (SAMPLES // BATCH), "done"]


def lines_of(attempt: Callable[[], object], stop_at: int = -1) -> int:
    """The number of executed lines of the pass and its observers; raises KeyboardInterrupt before line `stop_at`."""
    package = Path(octavo.__file__).parent
    folders = (str(package / "calibrate"), str(package / "ranges"))
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(folders):
            return None
        if event == "line":
            count += 1
            if count == stop_at:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        attempt()
    finally:
        sys.settrace(before)
    return count


def member(path: Path, name: str) -> bytes:
    """The content of a member of a checkpoint."""
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


def leaky(alpha: float) -> ir.Model:
    return prepared(build([node("LeakyRelu", ["x"], "y", alpha=alpha)], {"x": ["N", 8]}, {"y": ["N", 8]}))


def branching(seed: int) -> ir.Model:
    """A model with weights in the branches of an If."""

    def branch(name: str, op: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(f"{name}_out", onnx.TensorProto.FLOAT, ["N", 64])
        weights = numpy_helper.from_array(random(64, seed=seed), f"{name}_w")
        return helper.make_graph([node(op, ["x", f"{name}_w"], f"{name}_out")], name, [], [out], [weights])

    nodes = [
        node("ReduceSum", ["x"], "s", keepdims=0),
        node("Greater", ["s", "zero"], "flag"),
        node("If", ["flag"], "y", then_branch=branch("then", "Add"), else_branch=branch("else", "Sub")),
    ]
    return prepared(build(nodes, {"x": ["N", 64]}, {"y": ["N", 64]}, {"zero": ONE * 0}))


def with_last_weight(last: float) -> ir.Model:
    model = conv_relu()
    array = random(8)
    array[-1] = last
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(array, "b1"))
    return prepared(model)


Pass = dict[str, Any]
CHANGES: dict[str, tuple[Pass, Pass]] = {
    "one weight": ({"model": with_last_weight(0.25)}, {"model": with_last_weight(0.5)}),
    "an attribute": ({"model": leaky(0.01)}, {"model": leaky(0.02)}),
    "a weight inside a branch": ({"model": branching(1)}, {"model": branching(2)}),
    "one value of one sample": ({}, {"source": np.where(np.arange(X.size).reshape(X.shape) == 77, 9, X)}),
    "fewer samples": ({}, {"source": X[:30]}),
    "other tensors": ({"names": ["x", "r"]}, {"names": ["x", "r", "c"]}),
    "another observer": ({"observer": RangeSketch}, {"observer": MovingAverage}),
    "another batch size": ({"batch_size": 4}, {"batch_size": 5}),
}


class TestOtherPasses:
    """A checkpoint of one pass at the path of another."""

    @pytest.mark.parametrize("change", CHANGES)
    def test_a_checkpoint_of_another_pass_is_ignored(self, change: str, path: Path, counter: Counter) -> None:
        before, after = CHANGES[change]
        stopped(path, **{"source": inputs(before.get("model", MODEL))["x"], **before})
        arguments = {"model": MODEL, "source": inputs(after.get("model", MODEL))["x"], "batch_size": BATCH, **after}
        expected = serialized(calibrated(**arguments))
        counter.samples = 0
        assert serialized(calibrated(**arguments, checkpoint=path)) == expected
        assert counter.samples == len(arguments["source"])
        assert not path.exists()

    @pytest.mark.parametrize(
        "source",
        [
            [*X[:3], X[3] + 1, *X[4:]],
            list(X[::-1]),
            list(X[:16]),
            [X[:3], X[3:]],
        ],
        ids=["one sample changed", "another order", "fewer than were seen", "batches across the place"],
    )
    def test_an_iterable_with_changed_samples_is_refused(self, source: list[Any], path: Path) -> None:
        content = stopped(path, source=list(X))
        with pytest.raises(DataError, match=f"^the data changed since {path} was written; delete that file$"):
            calibrated(MODEL, source, checkpoint=path, batch_size=BATCH)
        assert path.read_bytes() == content

    def test_an_iterable_with_appended_samples_is_resumed(self, path: Path, counter: Counter) -> None:
        stopped(path, source=list(X[:30]))
        counter.samples = 0
        assert serialized(calibrated(MODEL, list(X), checkpoint=path, batch_size=BATCH)) == serialized(
            calibrated(MODEL, X)
        )
        assert counter.samples == SAMPLES - 20 + SAMPLES + 1

    @pytest.mark.parametrize(
        "damage", [{"0": b"no sketch"}, {"1": b""}, {"hashes": b"odd"}, {"header.json": b"{}"}, {"0": bytes(60)}]
    )
    def test_a_damaged_checkpoint_with_valid_checksums_is_ignored(self, damage: dict[str, bytes], path: Path) -> None:
        stopped(path)
        rewritten(path, **damage)
        assert serialized(calibrated(MODEL, X, checkpoint=path, batch_size=BATCH)) == serialized(calibrated(MODEL, X))
        assert not path.exists()

    def test_a_truncated_checkpoint_is_ignored(self, path: Path) -> None:
        content = stopped(path)
        for size in (0, 1, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:size])
            assert serialized(calibrated(MODEL, X, checkpoint=path, batch_size=BATCH)) == serialized(
                calibrated(MODEL, X)
            )


class TestFailures:
    def test_invalid_data_leave_no_checkpoint(self, path: Path, checkpoint_every_batch: None) -> None:
        x = X.copy()
        x[30] = np.nan
        with pytest.raises(DataError, match="sample 30 holds NaN"):
            calibrated(MODEL, x, checkpoint=path, batch_size=1)
        assert os.listdir(path.parent) == []

    def test_a_checkpoint_that_cannot_be_written_is_a_user_error(
        self, path: Path, checkpoint_every_batch: None
    ) -> None:
        with pytest.raises(OptionError, match="cannot be written"):
            calibrated(MODEL, X, checkpoint=path / "state", batch_size=BATCH)

    def test_a_checkpoint_that_cannot_be_written_hides_no_other_failure(self, path: Path) -> None:
        with pytest.raises(RuntimeError, match="the disk is gone"):
            calibrated(MODEL, rows(fail_after=9), checkpoint=path / "state")

    def test_a_folder_at_the_path_of_the_checkpoint_does_not_fail_a_completed_pass(self, tmp_path: Path) -> None:
        assert serialized(calibrated(MODEL, X, checkpoint=tmp_path)) == serialized(calibrated(MODEL, X))


def test_samples_are_counted_without_being_identified() -> None:
    model = prepared(conv_relu())
    identified, unidentified = (calibrated(model, inputs(model), identify=identify) for identify in (True, False))
    assert serialized(unidentified)[0] == serialized(identified)[0]
    assert unidentified.samples == identified.samples == SAMPLES
    assert len(set(identified.sample_hashes)) == SAMPLES
    assert set(unidentified.sample_hashes) == {b""}
