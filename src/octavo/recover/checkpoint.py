"""Finished rungs on disk, so that an interrupted climb resumes after the last of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np

from octavo.calibrate import Calibration
from octavo.errors import UserError
from octavo.graph import load, save
from octavo.measure import MetricResult, OutputFigure
from octavo.quantizer import Decisions, Draft, Settings, State, derive
from octavo.ranges import estimator
from octavo.recover.codec import decode, encode
from octavo.recover.step import Step
from octavo.system.files import write_text

_VERSION = 4
_HASH_BYTES = 8


class FinishedRung(NamedTuple):
    """A rung that was tried.

    Attributes:
        step: what happened.
        state: the state that the rung left; None where it was not kept.
        metric: the metric on the selection set; None where the rung changed nothing.
    """

    step: Step
    state: State | None
    metric: MetricResult | None


@dataclass(frozen=True)
class LadderCheckpoint:
    """A folder with the files of each finished rung of one job.

    Attributes:
        folder: where; it is created when the first rung is finished. None to keep nothing.
        key: identifies the job: model, data, options and versions.
        settings: settings of the states that are loaded.
    """

    folder: Path | None
    key: str
    settings: Settings

    def load(self, index: int, rung: str) -> FinishedRung | None:
        """The rung tried at that position; None where none is stored, or that of another job, or a damaged one."""
        path = self._path(index)
        if path is None or not path.exists():
            return None
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if (data["version"], data["key"], data["step"]["rung"]) != (_VERSION, self.key, rung):
                return None
            state = self._load_state(path, data["state"]) if data["step"]["kept"] else None
            return FinishedRung(Step(**data["step"]), state, _metric(data["metric"]))
        except (OSError, EOFError, ValueError, KeyError, TypeError, UserError, BadZipFile):
            return None  # damaged or incomplete: the rung runs again

    def save(self, index: int, finished: FinishedRung) -> None:
        """Store the rung tried at that position."""
        path = self._path(index)
        if path is None:
            return
        path.parent.mkdir(exist_ok=True)
        step, state, metric = finished
        data: dict[str, Any] = {"version": _VERSION, "key": self.key, "step": asdict(step)}
        data["metric"] = None if metric is None else asdict(metric)
        if state is not None:
            data["state"] = _save_state(path, state)
        # Written last: its presence marks the other files as complete.
        write_text(path, json.dumps(data))

    def remove(self) -> None:
        """Remove all files."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, index: int) -> Path | None:
        return None if self.folder is None else self.folder / f"{index}.json"

    def _load_state(self, path: Path, data: Mapping[str, Any]) -> State:
        with np.load(path.with_suffix(".npz")) as stored:
            arrays = {name: stored[name] for name in stored.files}
        decisions = decode(Decisions, data["decisions"], arrays)
        calibration = _calibration(data["observers"], arrays)
        model, reference = load(path.with_suffix(".onnx")), load(path.with_suffix(".reference.onnx"))
        return derive(Draft(self.settings, model, reference, decisions, calibration))


def _save_state(path: Path, state: State) -> dict[str, Any]:
    """Write models and arrays beside `path`; returns the rest as JSON."""
    arrays: dict[str, np.ndarray] = {}
    data = {
        "decisions": encode(state.decisions, arrays),
        "observers": {name: state.plan.tensors[name].estimator for name in state.plan.sources},
    }
    save(state.model, path.with_suffix(".onnx"))
    save(state.reference, path.with_suffix(".reference.onnx"))
    np.savez(path.with_suffix(".npz"), allow_pickle=False, **arrays, **_observers(state.calibration))
    return data


def _observers(calibration: Calibration) -> dict[str, np.ndarray]:
    contents = {f"observer:{name}": observer.to_bytes() for name, observer in calibration.observers.items()}
    contents["hashes"] = b"".join(calibration.sample_hashes)
    return {name: np.frombuffer(content, np.uint8) for name, content in contents.items()}


def _calibration(estimators: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> Calibration:
    observers = {
        name: type(estimator(spec).observer()).from_bytes(arrays[f"observer:{name}"].tobytes())
        for name, spec in estimators.items()
    }
    hashes = arrays["hashes"].tobytes()
    return Calibration(observers, [hashes[i : i + _HASH_BYTES] for i in range(0, len(hashes), _HASH_BYTES)])


def _metric(data: Mapping[str, Any] | None) -> MetricResult | None:
    if data is None:
        return None
    metric = MetricResult(**data)
    outputs = tuple(OutputFigure(**{**output, "details": tuple(output["details"])}) for output in data["outputs"])
    ends = None if metric.ci95 is None else (metric.ci95[0], metric.ci95[1])
    return replace(metric, ci95=ends, outputs=outputs)
