"""The result of a training run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Training:
    """Result of `finetune`.

    Attributes:
        epochs: number of epochs run.
        best: epoch (from 1) whose weights the network has now; 0 if every epoch was clearly worse than the start.
        agreement_db: agreement with the teacher on the held-out samples, in dB: variance of the teacher's outputs
            over the mean squared error. First value before training, then one per epoch.
        seconds: total training time, including runs before an interruption.
    """

    epochs: int
    best: int
    agreement_db: list[float]
    seconds: float
