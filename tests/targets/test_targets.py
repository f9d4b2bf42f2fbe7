"""Targets: the bundled files, custom files, and invalid files."""

from __future__ import annotations

import platform
from io import StringIO
from pathlib import Path

import pytest

from octavo.affine import Grid
from octavo.errors import TargetError
from octavo.ranges.registry import estimator
from octavo.targets import cpu_flags, detect, read_target, target, target_names, this_machine

SHIPPED = ["arm-neon", "fbgemm", "nvidia-tensorrt", "octavo", "per-tensor", "weight-only-int4", "x86-avx2", "x86-vnni"]
NAMES = target_names()
FILE = Path(detect.__file__).parent / "x86-vnni.toml"


def _edited(folder: Path, old: str, new: str) -> Path:
    """A copy of the x86-vnni file with one replacement."""
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    path = folder / "mine.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def _refusal(path: Path) -> str:
    with pytest.raises(TargetError) as caught:
        target(str(path))
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_target_names_used_by_recipes_are_stable() -> None:
    assert set(SHIPPED) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_target_file_loads(name: str) -> None:
    loaded = target(name)
    assert loaded.name == name
    assert loaded.title
    assert loaded.engines
    assert loaded.opset >= 13
    estimator(loaded.estimator)
    assert loaded.compute & {"Conv", "ConvTranspose", "Gemm", "MatMul"}
    assert loaded.float_output <= loaded.compute
    assert not loaded.compute & loaded.carry
    assert not loaded.carry & loaded.move
    assert all(loaded.role(op) == "float" for op in loaded.float_operators)
    assert all(head in loaded.compute | loaded.carry for head, _ in loaded.fusions)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_linear_operator_is_computed_in_integers(name: str) -> None:
    loaded = target(name)
    assert loaded.compute >= (
        {"Gemm", "MatMul"} if loaded.weights_only else {"Conv", "ConvTranspose", "Gemm", "MatMul"}
    )


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_signed_and_symmetric(name: str) -> None:
    weights = target(name).weights
    assert weights.signed
    assert weights.qmin in (-weights.qmax, -weights.qmax - 1)


def test_the_files_agree_with_the_measurements() -> None:
    avx2, tensorrt = target("x86-avx2"), target("nvidia-tensorrt")
    # VPMADDUBSW adds two u8 * s8 products in 16 bits.
    assert 2 * avx2.activations.grid.qmax * avx2.weights.qmax < 2**15
    assert tensorrt.activations.symmetric
    assert tensorrt.second_operand.symmetric
    assert tensorrt.weight_axes == (0,)
    assert not tensorrt.integer_bias
    assert not tensorrt.behind
    for name in ("x86-vnni", "x86-avx2", "octavo"):
        assert target(name).activations.grid == Grid.parse("uint8")
        assert target(name).second_operand.grid == Grid.parse("int8")
    assert target("arm-neon").activations.grid == Grid.parse("int8")
    assert target("fbgemm").activations.grid == Grid.parse("uint8[0,127]")


@pytest.mark.parametrize("name", NAMES)
def test_every_width_gives_a_grid_of_that_many_bits(name: str) -> None:
    original = target(name)
    for bits in original.weight_widths:
        grid = original.with_bits(weights=bits).weights
        assert grid.qmax <= 2 ** (bits - 1) - 1
        assert grid.bits == max(original.weights.bits, bits)
    for bits in original.activation_widths:
        changed = original.with_bits(activations=bits)
        for rule in (changed.activations, changed.second_operand):
            assert rule.grid.bits == max(bits, 8)
            assert 2 ** (bits - 1) <= rule.grid.levels <= 2**bits
        assert changed.activations.symmetric == original.activations.symmetric
        assert changed.activations.grid.signed == original.activations.grid.signed
        assert changed.with_bits(activations=original.activations.grid.bits) == original


def test_fewer_bits_keep_the_storage_and_the_narrower_bounds() -> None:
    avx2 = target("x86-avx2")
    assert [str(avx2.with_bits(weights=bits).weights) for bits in (8, 6, 4)] == [
        "int8[-63,63]",
        "int8[-31,31]",
        "int8[-7,7]",
    ]
    wide = avx2.with_bits(activations=16)
    assert (str(wide.activations.grid), str(wide.second_operand.grid)) == ("uint16", "int16")
    assert avx2.with_bits() == avx2


@pytest.mark.parametrize(
    ("name", "widths", "expected"),
    [
        ("x86-vnni", {"weights": 5}, "x86-vnni takes no weights of 5 bits; use 4 or 6 or 8"),
        ("nvidia-tensorrt", {"activations": 16}, "nvidia-tensorrt takes no activations of 16 bits; use 8"),
        ("fbgemm", {"weights": 4}, "fbgemm takes no weights of 4 bits; use 8"),
    ],
)
def test_an_unsupported_bit_width_is_refused(name: str, widths: dict[str, int], expected: str) -> None:
    with pytest.raises(TargetError) as caught:
        target(name).with_bits(**widths)
    assert str(caught.value) == expected


def test_roles_and_reasons() -> None:
    vnni = target("x86-vnni")
    assert vnni.role("Conv") == "compute"
    assert vnni.role("Add") == "carry"
    assert vnni.role("Reshape") == "move"
    assert vnni.role("Softmax") == "float"
    assert "exponential" in vnni.why_float("Softmax")
    assert vnni.why_float("Cosh") == "x86-vnni has no integer Cosh"


def test_a_target_object_is_accepted_as_a_target() -> None:
    octavo = target("octavo")
    assert target(octavo) is octavo


def test_a_custom_target_file_loads(tmp_path: Path) -> None:
    custom = target(str(_edited(tmp_path, 'title = "', 'title = "My own ')))
    assert custom.name == "mine"
    assert custom.title.startswith("My own ")
    assert custom.weights == target("x86-vnni").weights


def test_optional_fields_have_defaults(tmp_path: Path) -> None:
    text = FILE.read_text(encoding="utf-8")
    start, end = text.index("# The second operand"), text.index("[weights]")
    lines = (text[:start] + text[end:]).splitlines()
    required_lines = [line for line in lines if not line.startswith(("opset", "rule", "least_", "carry_", "bits"))]
    path = tmp_path / "short.toml"
    path.write_text("\n".join(required_lines), encoding="utf-8")
    loaded = read_target(path)
    assert loaded.opset == 13
    assert loaded.rule == "affine"
    assert loaded.second_operand == loaded.activations
    assert loaded.weight_axes is None
    assert loaded.least_input_channels == loaded.least_head_weights == 0
    assert not loaded.carry_depthwise


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(TargetError) as caught:
        target("x86")
    assert all(name in str(caught.value) for name in ["'x86'", "auto", *NAMES])


@pytest.mark.parametrize("name", ["", "../x86-vnni", "X86-VNNI", "x86-vnni\n"])
def test_misspelt_names_are_unknown(name: str) -> None:
    with pytest.raises(TargetError):
        target(name)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in _refusal(tmp_path / "none.toml")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    assert "cannot be read" in _refusal(folder)


@pytest.mark.parametrize("content", [b"title = ", b"\xff\xfe\x00", b"[a\n", b"x = 1\nx = 2\n"])
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    assert "not valid TOML" in _refusal(path)


@pytest.mark.parametrize("section", ["activations", "weights", "bias", "placement", "fusions"])
def test_a_missing_section_is_refused(tmp_path: Path, section: str) -> None:
    text = FILE.read_text(encoding="utf-8")
    start = text.index(f"[{section}]")
    end = text.find("\n[", start)
    path = tmp_path / "gap.toml"
    path.write_text(text[:start] + (text[end + 1 :] if end > 0 else ""), encoding="utf-8")
    assert f"lacks the section [{section}]" in _refusal(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text("")
    assert "lacks the section [weights]" in _refusal(path)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("opset = 13", "opsett = 13", "'opsett'"),
        ("per_channel = true", "per_chanel = true", "'per_chanel' in [weights]"),
        ("[bias]", "[biases]\n[bias]", "[biases]"),
        ("behind = true", "behind = true\nbefore = true", "'before' in [placement]"),
    ],
)
def test_an_unknown_field_or_section_is_refused(tmp_path: Path, old: str, new: str, part: str) -> None:
    message = _refusal(_edited(tmp_path, old, new))
    assert "unknown" in message
    assert part in message


@pytest.mark.parametrize("field", ["title", "engines", "estimator", "behind", "float_output", "compute", "carry"])
def test_a_missing_field_is_refused(tmp_path: Path, field: str) -> None:
    text = "\n" + FILE.read_text(encoding="utf-8")
    start = text.index(f"\n{field} = ") + 1
    end = text.index("]\n", start) + 1 if text[start:].split("= ")[1][0] == "[" else text.index("\n", start)
    path = tmp_path / "gap.toml"
    path.write_text(text[:start] + text[end:], encoding="utf-8")
    assert f"lacks the field '{field}'" in _refusal(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('grid = "uint8"', 'grid = "uint9"'),
        ('grid = "uint8"', 'grid = "uint8[5,2]"'),
        ('grid = "uint8"', "grid = 8"),
        ('grid = "int32"', 'grid = "int64"'),
        ('rule = "affine"', 'rule = "magic"'),
        ("opset = 13", 'opset = "new"'),
        ("opset = 13", "opset = true"),
        ('engines = ["onnxruntime", "openvino"]', 'engines = "onnxruntime"'),
        ('engines = ["onnxruntime", "openvino"]', "engines = [1]"),
        ("symmetric = false", 'symmetric = "false"'),
        ('estimator = "mse"', "estimator = 3"),
        ("per_channel = true", "per_channel = 1"),
        ("per_channel = true", "per_channel = true\naxes = 0"),
        ("per_channel = true", 'per_channel = true\naxes = ["0"]'),
        ("bits = [8, 16]", "bits = 16"),
        ("bits = [8, 16]", "bits = [8, 32]"),
        ("bits = [8, 16]", "bits = [16]"),
        ("bits = [8, 6, 4]", "bits = [true]"),
        ("bits = [8, 6, 4]", "bits = [8, 2]"),
        ("bits = [8, 6, 4]", "only = 1"),
        ("behind = true", 'behind = "yes"'),
        ('float_output = ["Gemm", "MatMul"]', 'float_output = "Gemm"'),
        ("least_input_channels = 4", "least_input_channels = 4.5"),
        ('"Conv+Relu"', '"Conv Relu"'),
        ('"Conv+Relu"', '"Conv+"'),
        ('"Conv+Relu"', '"Conv+Add+Relu"'),
        ("[operators.float]", "float = 1\n[other]"),
        ('Erf = "Erf is a part of GELU, which stays in float"', "Erf = 1"),
    ],
)
def test_an_invalid_value_is_refused(tmp_path: Path, old: str, new: str) -> None:
    _refusal(_edited(tmp_path, old, new))


def test_auto_detects_this_machine() -> None:
    assert this_machine() in NAMES
    assert target("auto").name == this_machine()


@pytest.mark.parametrize(
    ("machine", "flags", "expected"),
    [
        ("aarch64", set(), "arm-neon"),
        ("ARM64", set(), "arm-neon"),
        ("x86_64", {"avx2", "avx512_vnni"}, "x86-vnni"),
        ("AMD64", {"avx2", "avx_vnni"}, "x86-vnni"),
        ("x86_64", {"avx2", "avx512f"}, "x86-avx2"),
        ("x86_64", set(), "x86-avx2"),
    ],
)
def test_the_target_follows_from_the_machine_and_its_flags(
    monkeypatch: pytest.MonkeyPatch, machine: str, flags: set[str], expected: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(detect, "cpu_flags", lambda: flags)
    assert this_machine() == expected


def test_cpu_flags_are_empty_on_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "open", missing)
    assert cpu_flags() == set()


@pytest.mark.parametrize("line", ["flags\t\t: fpu avx2 avx_vnni", "Features\t: fp asimddp"])
def test_cpu_flags_are_those_of_the_first_processor(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    text = f"processor\t: 0\n{line}\nprocessor\t: 1\nflags\t: other\n"
    monkeypatch.setattr(Path, "open", lambda *_, **__: StringIO(text))
    assert cpu_flags() == set(line.partition(":")[2].split())
