"""Finished rungs on disk, so that none is run again after an interruption."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from octavo.affine import Grid, QuantParams
from octavo.calibrate import Calibration
from octavo.errors import UserError
from octavo.graph import load, save
from octavo.graph.weights import Constants, QuantizedConstant
from octavo.measure import MetricResult
from octavo.quantizer.state import Settings, State, restored
from octavo.ranges import estimator
from octavo.recover.step import Step
from octavo.system.files import write_text

_VERSION = 2


@dataclass
class Memory:
    """A folder with one file set a rung, written for one job; without a folder nothing is kept.

    Attributes:
        folder: where; it is made when the first rung is done.
        key: what tells this job from others: model, data, settings.
        settings: what restored states work with.
    """

    folder: Path | None
    key: str
    settings: Settings

    def recall(self, place: int, rung: str) -> tuple[Step, State | None, MetricResult] | None:
        """What is kept of the rung at that place; None where nothing is, or what there is belongs to another job."""
        path = self._path(place)
        if path is None or not path.exists():
            return None
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if (data["version"], data["key"], data["step"]["rung"]) != (_VERSION, self.key, rung):
                return None
            state = self._read(path, data) if data["step"]["kept"] else None
            return Step(**data["step"]), state, _metric(data["metric"])
        except (OSError, EOFError, ValueError, KeyError, TypeError, UserError, BadZipFile):
            # Damaged or half-removed: the rung is run again.
            return None

    def keep(self, place: int, step: Step, state: State | None, metric: MetricResult | None) -> None:
        """Write a finished rung; `state` None where it was not better than what stood before."""
        path = self._path(place)
        if path is None:
            return
        path.parent.mkdir(exist_ok=True)
        data: dict[str, Any] = {"version": _VERSION, "key": self.key, "step": asdict(step)}
        data["metric"] = None if metric is None else asdict(metric)
        if state is not None:
            data["state"] = _decisions(state)
            save(state.model, path.with_suffix(".onnx"))
            save(state.reference, path.with_suffix(".reference.onnx"))
            np.savez(
                path.with_suffix(".npz"), allow_pickle=False, **_arrays(state.given), **_sketches(state.calibration)
            )
        # Last, for it says that the others are whole.
        write_text(path, json.dumps(data))

    def forget(self) -> None:
        """Remove what was kept."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, place: int) -> Path | None:
        return None if self.folder is None else self.folder / f"{place}.json"

    def _read(self, path: Path, data: Mapping[str, Any]) -> State:
        kept = data["state"]
        with np.load(path.with_suffix(".npz")) as arrays:
            given = _constants(kept["given"], arrays)
            calibration = _calibration(kept["estimators_read"], arrays)
        return restored(
            self.settings,
            load(path.with_suffix(".onnx")),
            load(path.with_suffix(".reference.onnx")),
            calibration,
            left_out=kept["left_out"],
            estimators=kept["estimators"],
            grids={name: Grid.parse(text) for name, text in kept["grids"].items()},
            given=given,
            trained={name: _params(*row) for name, row in kept["trained"].items()},
        )


def _decisions(state: State) -> dict[str, Any]:
    return {
        "left_out": state.left_out,
        "estimators": state.estimators,
        "trained": {
            name: [str(each.grid), float(each.scale), int(each.zero_point)] for name, each in state.trained.items()
        },
        "grids": {name: str(grid) for name, grid in state.grids.items()},
        "estimators_read": {name: state.plan.tensors[name].estimator for name in state.plan.sources},
        "given": [
            [layer, index, found.tensor, str(found.params.grid), found.params.axis, found.params.block_size]
            for (layer, index), found in state.given.items()
        ],
    }


def _arrays(given: Constants) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for place, each in enumerate(given.values()):
        found |= {f"q{place}": each.integers, f"s{place}": each.params.scale, f"z{place}": each.params.zero_point}
    return found


def _sketches(calibration: Calibration) -> dict[str, np.ndarray]:
    found = {f"c:{name}": each.to_bytes() for name, each in calibration.observers.items()}
    found["hashes"] = b"".join(calibration.sample_hashes)
    return {name: np.frombuffer(content, np.uint8) for name, content in found.items()}


def _calibration(specs: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> Calibration:
    observers = {
        name: type(estimator(spec).observer()).from_bytes(arrays[f"c:{name}"].tobytes()) for name, spec in specs.items()
    }
    hashes = arrays["hashes"].tobytes()
    return Calibration(observers, [hashes[i : i + 8] for i in range(0, len(hashes), 8)])


def _constants(rows: list[list[Any]], arrays: Mapping[str, np.ndarray]) -> Constants:
    found: Constants = {}
    for place, (layer, index, tensor, grid, axis, block_size) in enumerate(rows):
        params = QuantParams(Grid.parse(grid), arrays[f"s{place}"], arrays[f"z{place}"], axis, block_size)
        found[layer, index] = QuantizedConstant(tensor, arrays[f"q{place}"], params)
    return found


def _params(grid: str, scale: float, zero_point: int) -> QuantParams:
    return QuantParams(Grid.parse(grid), np.asarray(scale, np.float32), np.asarray(zero_point, np.int32))


def _metric(data: Mapping[str, Any] | None) -> Any:
    if data is None:
        return None
    metric = MetricResult(**data)
    return replace(metric, ci95=None if metric.ci95 is None else (metric.ci95[0], metric.ci95[1]))
