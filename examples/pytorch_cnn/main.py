"""Train a small CNN in PyTorch, quantize the module, and run the result in ONNX Runtime.

    python examples/pytorch_cnn/main.py [--output DIR] [--epochs N]

Writes cnn.int8.onnx into DIR (default: the working directory). Needs torch and scikit-learn (the `dev`
extra); takes less than a minute on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import octavo

SEED = 0
EPOCHS = 10
CALIBRATION_SAMPLES = 200


class Cnn(nn.Module):
    """[N, 1, 8, 8] images in [0, 1] -> [N, 10] logits."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(64, 128, 3, padding=1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(128, 10)

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.features(image).mean((2, 3)))


def load_samples() -> tuple[TensorDataset, TensorDataset]:
    """Load scikit-learn's digits: two thirds for training, one third for the test."""
    digits = load_digits()
    images = torch.from_numpy((digits.images[:, None] / 16).astype(np.float32))
    train_rows, test_rows = train_test_split(
        np.arange(len(images)), test_size=1 / 3, stratify=digits.target, random_state=SEED
    )
    labels = torch.from_numpy(digits.target.astype(np.int64))
    train_set, test_set = (TensorDataset(images[rows], labels[rows]) for rows in (train_rows, test_rows))
    return train_set, test_set


def train(samples: TensorDataset, epochs: int) -> Cnn:
    """Train with Adam and cross-entropy, reproducibly."""
    torch.manual_seed(SEED)
    net = Cnn()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for _ in range(epochs):
        for images, labels in DataLoader(samples, batch_size=64, shuffle=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images), labels).backward()
            optimizer.step()
    return net.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path())
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()

    train_set, test_set = load_samples()
    net = train(train_set, options.epochs)
    images, labels = (tensor.numpy() for tensor in test_set.tensors)

    # The loader yields (images, labels); calibration ignores the labels.
    subset = torch.utils.data.Subset(train_set, range(CALIBRATION_SAMPLES))
    result = octavo.quantize(
        net,
        calibration=DataLoader(subset, batch_size=50),
        example_inputs=(torch.zeros(1, 1, 8, 8),),
        evaluate=octavo.evaluation.top1({"image": images, "labels": labels}),
    )
    print(f"target: {result.target}")
    print(f"float top-1: {result.metric.float_value:.2f}")
    print(f"int8 top-1: {result.metric.quantized_value:.2f}")
    low, high = result.metric.ci95
    print(f"drop: {result.metric.drop:.2f} points, 95% interval {low:+.2f} to {high:+.2f}")
    print(f"size: {result.size_bytes['float'] / 1000:.0f} kB to {result.size_bytes['quantized'] / 1000:.0f} kB")
    if result.latency_ms is not None:
        print(f"latency: {result.latency_ms['float']:.3f} ms to {result.latency_ms['quantized']:.3f} ms at batch 1")

    path = result.save(options.output / "cnn.int8.onnx", overwrite=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"image": images})
    print(f"int8 top-1 of the file in ONNX Runtime: {(logits.argmax(1) == labels).mean() * 100:.2f}")


if __name__ == "__main__":
    main()
