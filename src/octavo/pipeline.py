"""The main job, stage by stage: prepare, plan, calibrate, quantize, prove, check, measure."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import onnx_ir as ir

from octavo import provenance
from octavo.affine import QuantParams, params_from_range, pytorch_params
from octavo.calibrate import Calibration, run
from octavo.data import Preprocess, SampleSet, open_samples
from octavo.engines.onnxruntime import Session
from octavo.errors import DataError, ModelError, OptionError
from octavo.graph import input_specs, load, model_bytes, prepare
from octavo.graph.place import place
from octavo.graph.plan import LeftFloat, Plan, make_plan
from octavo.graph.preflight import check_target
from octavo.graph.proof import OverflowProof, prove
from octavo.graph.weights import Constants, quantize_constants
from octavo.measure import Evaluation, evaluate as measure_metric
from octavo.progress import Progress, Silent
from octavo.ranges import Observer, estimator
from octavo.recipe import Recipe, read_recipe
from octavo.result import QuantizationResult
from octavo.targets import Target, target as find_target
