"""Image folders: pixels, labels, preprocessing, and unreadable images."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.helpers.sample_data import X, inputs, opened, read_or_refused, refusal, spec

from octavo.data import Preprocess
from octavo.errors import DataError, DependencyError, OptionError

HEIGHT, WIDTH = 4, 6
NCHW = (spec("image", ("N", 3, HEIGHT, WIDTH)),)
NHWC = (spec("image", ("N", HEIGHT, WIDTH, 3)),)
GRAY = (spec("image", ("N", 1, HEIGHT, WIDTH)),)
DYNAMIC = (spec("image", ("N", 3, "H", "W")),)


def _pixels(seed: int = 0, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape or (HEIGHT, WIDTH, 3), np.uint8)


def _encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    PIL.Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def _folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def test_images_are_ordered_by_path_and_divided_by_255(tmp_path: Path) -> None:
    files = {f"{seed}.png": _encoded(_pixels(seed)) for seed in (2, 0, 1)}
    samples = opened(_folder(tmp_path, {**files, "notes.txt": b"not an image"}), NCHW)
    assert samples.length == 3
    expected = np.stack([_pixels(seed) for seed in range(3)]).transpose(0, 3, 1, 2).astype(np.float64) / 255
    given_back = inputs(samples)["image"]
    assert given_back.dtype == np.float32
    np.testing.assert_allclose(given_back, expected, rtol=2**-24)
    assert samples.reference() == {}


def test_layout_is_the_order_of_the_axes(tmp_path: Path) -> None:
    folder = _folder(tmp_path, {"a.png": _encoded(_pixels())})
    rows = inputs(opened(folder, NHWC, preprocess=Preprocess(layout="NHWC")))["image"]
    np.testing.assert_array_equal(rows.transpose(0, 3, 1, 2), inputs(opened(folder, NCHW))["image"])


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(("scale", "offset"), [(None, 0.0), (None, -0.5), (1 / 127.5, -1.0), (1.0, 0.0)])
@pytest.mark.parametrize("mean", [None, (0.485, 0.456, 0.406), (0.5,)])
@pytest.mark.parametrize("std", [None, (0.229, 0.224, 0.225)])
def test_pixels_are_scaled_then_normalized_by_channel(
    layout: Any, scale: float | None, offset: float, mean: Any, std: Any, tmp_path: Path
) -> None:
    steps = Preprocess(scale=scale, offset=offset, mean=mean, std=std, layout=layout)
    folder = _folder(tmp_path, {"a.png": _encoded(_pixels())})
    given_back = inputs(opened(folder, NCHW if layout == "NCHW" else NHWC, preprocess=steps))["image"][0]
    expected = np.empty((HEIGHT, WIDTH, 3))
    for channel in range(3):
        x = _pixels()[:, :, channel].astype(np.float64) * (1 / 255 if scale is None else scale) + offset
        shift = 0.0 if mean is None else mean[channel % len(mean)]
        expected[:, :, channel] = (x - shift) / (1.0 if std is None else std[channel])
    assert given_back.dtype == np.float32
    np.testing.assert_allclose(
        given_back, expected.transpose(2, 0, 1) if layout == "NCHW" else expected, rtol=1e-6, atol=3e-5
    )


def test_colors_are_converted_to_the_channels_of_the_model(tmp_path: Path) -> None:
    gray = _pixels(0, HEIGHT, WIDTH)
    folder = _folder(tmp_path, {"a.png": _encoded(gray)})
    np.testing.assert_array_equal(
        inputs(opened(folder, NCHW))["image"], np.repeat(inputs(opened(folder, GRAY))["image"], 3, axis=1)
    )
    colour = _pixels(1).astype(float)
    folder = _folder(tmp_path, {"a.png": _encoded(_pixels(1))})
    luma = colour @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(inputs(opened(folder, GRAY))["image"][0, 0] * 255, luma, atol=1.0)


def test_transparency_and_palettes_are_read_as_rgb(tmp_path: Path) -> None:
    solid = np.concatenate([_pixels(), np.full((HEIGHT, WIDTH, 1), 255, np.uint8)], axis=2)
    plain = inputs(opened(_folder(tmp_path / "a", {"a.png": _encoded(_pixels())}), NCHW))["image"]
    stream = io.BytesIO()
    PIL.Image.fromarray(_pixels()).quantize(256).save(stream, "PNG")
    for content in (_encoded(solid), stream.getvalue()):
        np.testing.assert_array_equal(inputs(opened(_folder(tmp_path / "b", {"b.png": content}), NCHW))["image"], plain)


def test_subfolders_are_classes_ordered_by_name(tmp_path: Path) -> None:
    names = ["dog/1.png", "cat/2.PNG", "cat/deep/0.png", "bird/9.png"]
    samples = opened(_folder(tmp_path, {name: _encoded(_pixels(i)) for i, name in enumerate(names)}), NCHW)
    assert samples.length == 4
    np.testing.assert_array_equal(samples.reference()["labels"], [0, 1, 1, 2])
    order = [3, 1, 2, 0]
    expected = np.stack([_pixels(i) for i in order]).transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(inputs(samples)["image"], expected, rtol=1e-6)
    np.testing.assert_array_equal(opened(tmp_path, NCHW, limit=2).reference()["labels"], [0, 1])


def test_there_are_no_labels_if_images_are_next_to_subfolders(tmp_path: Path) -> None:
    files = {"cat/1.png": _encoded(_pixels()), "2.png": _encoded(_pixels())}
    assert opened(_folder(tmp_path, files), NCHW).reference() == {}


def test_images_are_resized_to_the_models_size_or_the_stated_one(tmp_path: Path) -> None:
    halves = np.zeros((20, 40, 3), np.uint8)
    halves[:, 20:] = 255
    folder = _folder(tmp_path, {"a.png": _encoded(halves)})
    fixed = inputs(opened(folder, NCHW))["image"]
    stated = inputs(opened(folder, DYNAMIC, preprocess=Preprocess(size=(HEIGHT, WIDTH))))["image"]
    assert fixed.shape == (1, 3, HEIGHT, WIDTH)
    np.testing.assert_array_equal(stated, fixed)
    np.testing.assert_array_equal(fixed[0, :, :, [0, 1, -2, -1]], np.repeat([0, 0, 1, 1], 12).reshape(4, 3, HEIGHT))


@pytest.mark.parametrize(
    ("specs", "steps", "kind", "parts"),
    [
        (DYNAMIC, Preprocess(), OptionError, ("any size", "`preprocess.size`")),
        (NCHW, Preprocess(size=(8, 8)), DataError, ("'image'", "8 on axis 2")),
        ((spec("image", ("N", 32, 32, 3)),), Preprocess(), DataError, ("32 channels", "the other layout")),
        (NCHW, Preprocess(mean=(0.5, 0.5)), OptionError, ("mean has 2 numbers", "give 3")),
        (GRAY, Preprocess(std=(0.5, 0.5, 0.5)), OptionError, ("std has 3 numbers", "give 1")),
        ((spec("image", NCHW[0].shape, np.uint8),), Preprocess(), DataError, ("'image'", "takes uint8")),
        (X, Preprocess(), DataError, ("rank 4", ".npz")),
        ((*NCHW, spec("size")), Preprocess(), DataError, ("one input", ".npz")),
    ],
)
def test_a_model_without_image_input_is_refused(
    specs: Any, steps: Preprocess, kind: Any, parts: tuple[str, ...], tmp_path: Path
) -> None:
    folder = _folder(tmp_path, {"a.png": _encoded(_pixels())})
    refusal(lambda: inputs(opened(folder, specs, preprocess=steps)), kind, *parts)


@pytest.mark.parametrize("files", [{}, {"notes.txt": b"text"}, {"folder.png/notes.txt": b"text"}])
def test_a_folder_without_images_is_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    refusal(lambda: opened(_folder(tmp_path, files), NCHW), DataError, str(tmp_path), "no images", ".png")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        _encoded(_pixels())[:60],
        _encoded(_pixels(), "JPEG")[:-200],
        _encoded(_pixels(), "BMP").replace(
            WIDTH.to_bytes(4, "little") + HEIGHT.to_bytes(4, "little"), b"\xff\xff\xff\x7f" * 2
        ),
        _encoded(np.full((HEIGHT, WIDTH), 40000, np.uint16)),
        _encoded(np.full((HEIGHT, WIDTH), 0.5, np.float32), "TIFF"),
    ],
    ids=["empty", "text", "half", "jpeg", "enormous", "16 bits", "floats"],
)
def test_an_image_that_cannot_be_read_is_named(content: bytes, tmp_path: Path) -> None:
    samples = opened(_folder(tmp_path, {"a.png": _encoded(_pixels()), "b/bad.png": content}), NCHW)
    refusal(lambda: inputs(samples), DataError, str(Path("b", "bad.png")))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_anywhere_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(_encoded(_pixels(), data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "PPM"]))))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.just(len(content)) | st.integers(1, len(content)))
    folder = _folder(tmp_path, {"a.png": bytes(content[:end])})
    with read_or_refused():
        inputs(opened(folder, NCHW))


def test_the_digest_depends_on_paths_and_contents(tmp_path: Path) -> None:
    first, second = _encoded(_pixels(0)), _encoded(_pixels(1))
    folders: list[dict[str, bytes]] = [
        {"a.png": first, "b.png": second},
        {"a.png": second, "b.png": first},
        {"a.png": first, "c.png": second},
        {"a.png": first, "b/b.png": second},
        {"a.png": first},
        # Decoders ignore bytes after the end of the image.
        {"a.png": first + b"b.png" + second},
    ]
    digests = [opened(_folder(tmp_path / str(i), files), NCHW).sha256() for i, files in enumerate(folders)]
    assert len(set(digests)) == len(folders)
    assert opened(_folder(tmp_path / "again", folders[0]), NCHW).sha256() == digests[0]


def test_without_pillow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    refusal(lambda: opened(tmp_path, NCHW), DependencyError, "Pillow", "octavo[images]")
