"""Train the bundled example: a small depthwise-separable CNN on scikit-learn's handwritten digits.

    python examples/digits/train.py [--output DIR] [--epochs N]

Writes digits.onnx, calib.npz and eval.npz into DIR (default: the folder of the script). Needs torch and
scikit-learn (the `dev` extra); takes less than two minutes on two cores.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

SEED = 8
EPOCHS = 40
WIDTH = 64
BATCH = 64
CALIBRATION_SAMPLES = 200


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution without bias and its batch normalization."""
    padding = kernel // 2
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]


class Separable(nn.Module):
    """Depthwise 3x3, then pointwise 1x1; the input is added back where the shapes allow it."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *convolution(inputs, inputs, 3, stride, groups=inputs),
            nn.ReLU6(),
            *convolution(inputs, outputs, 1),
        )
        self.residual = inputs == outputs and stride == 1
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return self.activation(x + y if self.residual else y)


class Network(nn.Module):
    """[N, 1, 8, 8] images in [0, 1] -> [N, 10] logits."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.stem = nn.Sequential(*convolution(1, width, 3), nn.ReLU6())
        self.block1 = Separable(width, 2 * width)
        self.block2 = Separable(2 * width, 2 * width)
        self.block3 = Separable(2 * width, 4 * width, stride=2)
        self.block4 = Separable(4 * width, 4 * width)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(4 * width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block4(self.block3(self.block2(self.block1(self.stem(x)))))
        return self.classifier(self.pool(x).flatten(1))


def halves() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images in [0, 1], float32 [N, 1, 8, 8], and labels, int64 [N]: first half to train, second to test.

    The data set is ordered by writer, so the two halves are by different writers.
    """
    digits = load_digits()
    images = (digits.images[:, None] / 16).astype(np.float32)
    labels = digits.target.astype(np.int64)
    middle = len(images) // 2
    return images[:middle], labels[:middle], images[middle:], labels[middle:]


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image moved by at most one pixel in each direction."""
    padded = nn.functional.pad(images, (1, 1, 1, 1))
    offsets = torch.randint(0, 3, (len(images), 2), generator=generator).tolist()
    return torch.stack([image[:, y : y + 8, x : x + 8] for image, (y, x) in zip(padded, offsets, strict=True)])


def train(images: np.ndarray, labels: np.ndarray, epochs: int) -> nn.Module:
    """Adam with a one-cycle learning rate and label smoothing; the same seed gives the same network."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    model = Network()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=1e-3)
    steps = -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, epochs * steps)
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(x), generator=generator).split(BATCH):
            optimizer.zero_grad()
            loss(model(shifted(x[batch], generator)), y[batch]).backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def export(model: nn.Module, path: Path) -> None:
    """Export to ONNX with a dynamic batch size; BatchNormalization nodes are kept, as by many exporters."""
    torch.onnx.export(
        model,
        (torch.zeros(2, 1, 8, 8),),
        str(path),
        dynamo=False,
        opset_version=17,
        do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,  # EVAL would fold BatchNorm into Conv here already
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()

    train_images, train_labels, test_images, test_labels = halves()
    model = train(train_images, train_labels, options.epochs)
    with torch.no_grad():
        correct = (model(torch.from_numpy(test_images)).argmax(1).numpy() == test_labels).sum()
    print(f"top-1 on the held-out half: {correct} of {len(test_labels)} ({correct / len(test_labels):.2%})")

    options.output.mkdir(parents=True, exist_ok=True)
    export(model, options.output / "digits.onnx")
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(train_images))[:CALIBRATION_SAMPLES])
    np.savez_compressed(options.output / "calib.npz", image=train_images[chosen])
    np.savez_compressed(options.output / "eval.npz", image=test_images, labels=test_labels)


if __name__ == "__main__":
    main()
