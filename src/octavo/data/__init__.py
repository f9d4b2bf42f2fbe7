"""Samples from files, folders, arrays and iterables, checked against the model's inputs."""

from __future__ import annotations

from octavo.data.accepted import CalibrationReader, FilePath, SampleSource
from octavo.data.first_inputs import first_inputs
from octavo.data.open import open_samples
from octavo.data.preprocess import Preprocess
from octavo.data.runner import choose_batch, fixed_size, padded_parts, run_batch, run_batches, smallest_run
from octavo.data.samples import Arrays, Batch, Source, concatenate
from octavo.data.sampleset import SampleSet, sample_hashes
from octavo.data.split import split

__all__ = [
    "Arrays",
    "Batch",
    "CalibrationReader",
    "FilePath",
    "Preprocess",
    "SampleSet",
    "SampleSource",
    "Source",
    "choose_batch",
    "concatenate",
    "first_inputs",
    "fixed_size",
    "open_samples",
    "padded_parts",
    "run_batch",
    "run_batches",
    "sample_hashes",
    "smallest_run",
    "split",
]
