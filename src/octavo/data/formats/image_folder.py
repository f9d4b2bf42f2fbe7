"""Folders of image files, in which sub-folders are classes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.data.formats.format import Format
from octavo.data.preprocess import Preprocess
from octavo.data.samples import Arrays, Batch, Source
from octavo.errors import DataError, DependencyError, OptionError
from octavo.graph.spec import TensorSpec

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


class ImageSamples:
    """The images below a folder, sorted by path; labels are the indices of the sorted sub-folder names."""

    one_pass = False

    def __init__(self, folder: Path, specs: Sequence[TensorSpec], preprocess: Preprocess) -> None:
        _require_pillow()
        if len(specs) != 1 or len(specs[0].shape) != 4:
            raise DataError(f"{folder} holds images but the model does not take one input of rank 4; give a .npz file")
        self._paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file())
        if not self._paths:
            raise DataError(f"folder {folder} holds no images; give a folder of {', '.join(sorted(_SUFFIXES))} files")
        self._folder, self._spec, self._preprocess = folder, specs[0], preprocess
        self._size, self._channels = self._geometry()
        self.length = len(self._paths)

    def read(self, batch_size: int) -> Iterator[Batch]:
        """Yield the images in batches of `batch_size`, resized and normalized."""
        for start in range(0, self.length, batch_size):
            images = [self._load(path) for path in self._paths[start : start + batch_size]]
            yield Batch({self._spec.name: np.stack(images)}, {}, start)

    def reference(self) -> Arrays:
        """`labels` from the sub-folder names; empty where an image is in no sub-folder."""
        parents = [path.relative_to(self._folder).parts[0] for path in self._paths]
        if any(len(path.relative_to(self._folder).parts) < 2 for path in self._paths):
            return {}
        classes = sorted(set(parents))
        return {"labels": np.array([classes.index(parent) for parent in parents], np.int64)}

    def sha256(self) -> str:
        """Digest of the relative paths and contents of all files."""
        digest = hashlib.sha256()
        for path in self._paths:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(self._folder).as_posix()}:{len(content)};".encode())
            digest.update(content)
        return digest.hexdigest()

    def _geometry(self) -> tuple[tuple[int, int], int]:
        """((height, width), channels) of the model's input."""
        order = self._preprocess.layout.lower()
        dims = dict(zip(order, self._spec.shape, strict=True))
        channels = dims["c"] if isinstance(dims["c"], int) else 3
        if channels not in _MODES:
            raise DataError(
                f"the model takes images of {channels} channels in layout {self._preprocess.layout}; "
                "use the other layout, or give a .npz file instead of a folder"
            )
        for name, numbers in (("mean", self._preprocess.mean), ("std", self._preprocess.std)):
            if numbers is not None and len(numbers) not in (1, channels):
                raise OptionError(f"the image {name} has {len(numbers)} numbers; give {channels}, one per channel")
        height, width = dims["h"], dims["w"]
        if self._preprocess.size is not None:
            return self._preprocess.size, channels
        if not isinstance(height, int) or not isinstance(width, int):
            raise OptionError("the model takes images of any size; set one with `preprocess.size`")
        return (height, width), channels

    def _load(self, path: Path) -> NDArray[np.float32]:
        import PIL.Image

        height, width = self._size
        try:
            with PIL.Image.open(path) as image:
                over_8_bits, mode = image.mode[0] in "IF", _MODES[self._channels]
                pixels = np.asarray(image.convert(mode).resize((width, height), PIL.Image.Resampling.BILINEAR))
        except Exception as error:
            # Pillow's decoders raise exceptions of many types.
            reason = " ".join(str(error).split())
            raise DataError(f"image {path} cannot be read ({reason}); remove or replace it") from None
        if over_8_bits:
            # Pillow's conversion to 8 bits would saturate.
            raise DataError(f"image {path} has more than 8 bits per channel; give a .npz file instead of a folder")
        return self._prepare(pixels.reshape(height, width, self._channels))

    def _prepare(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        steps = self._preprocess
        x: NDArray[np.float32] = (
            steps.numbers(pixels)
            if steps.scale is not None
            else pixels.astype(np.float32) / np.float32(255) + np.float32(steps.offset)
        )
        if steps.mean is not None:
            x = x - np.asarray(steps.mean, np.float32)
        if steps.std is not None:
            x = (x / np.asarray(steps.std, np.float32)).astype(np.float32)
        return np.ascontiguousarray(x.transpose(2, 0, 1) if steps.layout == "NCHW" else x)


def _require_pillow() -> None:
    try:
        import PIL.Image  # noqa: F401
    except ImportError:
        raise DependencyError("Pillow", "images") from None


def _example(folder: Path, arrays: Arrays) -> Path:
    """PNG files of the first array, float32 in [0, 1] and NCHW, in one sub-folder per label."""
    _require_pillow()
    import PIL.Image

    images, labels = next(iter(arrays.values())), arrays["labels"]
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        pixels = np.rint(image.transpose(1, 2, 0) * 255).astype(np.uint8)
        path = folder / f"{label:06d}" / f"{index:06d}.png"
        path.parent.mkdir(exist_ok=True)
        PIL.Image.fromarray(pixels).save(path)
    return folder


def _is_folder(source: Any) -> bool:
    return isinstance(source, Path) and source.is_dir()


def _open(folder: Path, specs: Sequence[TensorSpec], preprocess: Preprocess) -> Source:
    return ImageSamples(folder, specs, preprocess)


IMAGE_FOLDER = Format(
    name="image folder",
    description="a folder of images",
    accepts=_is_folder,
    open=_open,
    example=_example,
)
