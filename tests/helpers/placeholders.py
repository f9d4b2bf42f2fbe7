"""The files and variables that the documents' examples assume."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto
from tests.helpers.models import build, node, random

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "examples" / "digits"


def lay_out(folder: Path) -> None:
    """The files common to most pages: a model with its data, an encoder, and the examples."""
    (folder / "examples").symlink_to(ROOT / "examples")
    model = onnx.load(DIGITS / "digits.onnx")
    rename(model, "stem.0.weight", "conv1.weight")
    onnx.save(model, folder / "model.onnx")
    onnx.save(encoder(), folder / "encoder.onnx")
    rows = np.random.default_rng(0).integers(0, 64, (200, 12))
    with np.load(DIGITS / "calib.npz") as file:
        np.savez(folder / "calib.npz", image=file["image"], input_ids=rows, attention_mask=np.ones_like(rows))
    with np.load(DIGITS / "eval.npz") as file:
        # Enough samples to resolve half a point; with fewer, the whole ladder runs, for minutes.
        np.savez(folder / "eval.npz", **{name: np.repeat(file[name], 4, axis=0) for name in file.files})
        np.save(folder / "x.npy", file["image"][:1])


def rename(model: onnx.ModelProto, old: str, new: str) -> None:
    """Rename an initializer."""
    (tensor,) = [x for x in model.graph.initializer if x.name == old]
    tensor.name = new
    for consumer in model.graph.node:
        consumer.input[:] = [new if name == old else name for name in consumer.input]


def encoder() -> onnx.ModelProto:
    """A model from token ids and masks of dynamic length to one vector per text."""
    axes = np.array([1], np.int64)
    return build(
        [
            node("Gather", ["table", "input_ids"], "embedded"),
            node("MatMul", ["embedded", "up"], "wide"),
            node("Relu", ["wide"], "active"),
            node("MatMul", ["active", "down"], "narrow"),
            node("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT),
            node("Unsqueeze", ["mask", "last"], "weights"),
            node("Mul", ["narrow", "weights"], "kept"),
            node("ReduceSum", ["kept", "axes"], "embedding", keepdims=0),
        ],
        {"input_ids": ["N", "L"], "attention_mask": ["N", "L"]},
        {"embedding": ["N", 64]},
        {
            "table": random(64, 64),
            "up": random(64, 128),
            "down": random(128, 64),
            "axes": axes,
            "last": np.array([-1], np.int64),
        },
        input_types=dict.fromkeys(("input_ids", "attention_mask"), TensorProto.INT64),
    )


def masks(folder: Path) -> None:
    """For docs/how-to/metric.md: a segmentation model with the reference masks."""
    model = build(
        [node("Conv", ["image", "weight"], "mask", pads=[1, 1, 1, 1])],
        {"image": ["N", 4, 8, 8]},
        {"mask": ["N", 8, 8, 8]},
        {"weight": random(8, 4, 3, 3)},
    )
    onnx.save(model, folder / "model.onnx")
    images = np.random.default_rng(0).normal(size=(64, 4, 8, 8)).astype(np.float32)
    np.savez(folder / "calib.npz", image=images[:32])
    np.savez(folder / "eval.npz", image=images[32:], mask_true=np.repeat(images[32:], 2, axis=1) > 0)


def photos(folder: Path) -> None:
    """For docs/how-to/images.md: a folder of images, and a model for their size."""
    from PIL import Image

    model = build(
        [
            node("Conv", ["image", "weight"], "small", strides=[16, 16]),
            node("Conv", ["small", "again"], "maps"),
            node("GlobalAveragePool", ["maps"], "means"),
            node("Flatten", ["means"], "scores"),
        ],
        {"image": ["N", 3, 224, 224]},
        {"scores": ["N", 10]},
        {"weight": random(8, 3, 16, 16), "again": random(10, 8, 3, 3)},
    )
    onnx.save(model, folder / "model.onnx")
    (folder / "photos").mkdir()
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (8, 40, 50, 3), np.uint8)):
        Image.fromarray(pixels).save(folder / "photos" / f"{number}.png")


def state_dict(folder: Path) -> None:
    """For docs/how-to/from-pytorch-quantized.md: a state dict with the residual add as the module `skip_add`."""
    import torch
    from tests.helpers import torch_conversion as converting

    converting.in_onnx(converting.seeded(converting.Residual), converting.images(), folder)
    state = converting.by_hand([converting.images()]).state_dict()
    torch.save({key.replace("skip.", "skip_add."): value for key, value in state.items()}, folder / "quantized.pt")


SPECIAL: dict[str, Callable[[Path], None]] = {
    "docs/how-to/from-pytorch-quantized.md": state_dict,
    "docs/how-to/images.md": photos,
    "docs/how-to/metric.md": masks,
}

# Definitions of the variables that a page assumes.
PREAMBLES = {
    "README.md": 'import numpy as np\nsamples = [np.load("calib.npz")["image"]]\n',
    "docs/how-to/variable-length.md": "token_sequences = [[1, 5, 3], [2, 7, 7, 4, 9]]\n",
}


def folder_for(page: str, common: Path, folder: Path) -> None:
    """A copy of the common files, with the files specific to the page."""
    shutil.copytree(common, folder, symlinks=True, dirs_exist_ok=True)
    SPECIAL.get(page, lambda _: None)(folder)
