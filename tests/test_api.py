"""The public surface: every name exists, is typed and is documented, and is imported on first use."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path

import pytest

import octavo
from octavo import errors, evaluation
from octavo.cli.app import app

CALLABLES = [
    *((name, getattr(octavo, name)) for name in octavo.__all__ if callable(getattr(octavo, name))),
    *(
        (f"evaluation.{name}", value)
        for name, value in vars(evaluation).items()
        if inspect.isfunction(value) and value.__module__ == evaluation.__name__
    ),
    ("QuantizationResult.save", octavo.QuantizationResult.save),
    ("QuantizationResult.to_dict", octavo.QuantizationResult.to_dict),
    ("QuantizationResult.to_json", octavo.QuantizationResult.to_json),
    ("QuantizationResult.write_json", octavo.QuantizationResult.write_json),
]
# Verbs whose name is that of a package: the package holds the function.
IN_PACKAGES = {"report": "report.write_page", "targets": "targets.target_names"}


def test_the_public_names_exist_and_are_sorted() -> None:
    assert octavo.__all__ == sorted(octavo.__all__)
    assert all(hasattr(octavo, name) for name in octavo.__all__)


def test_dir_is_the_public_surface_after_any_import() -> None:
    import_module("octavo.engines.onnxruntime")
    assert dir(octavo) == octavo.__all__


def test_type_checkers_see_the_modules_that_names_are_imported_from() -> None:
    tree = ast.parse(Path(octavo.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    stated = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(stated) == octavo.__all__
    for name, (module, attribute) in stated.items():
        assert getattr(octavo, name) is getattr(import_module(module or ""), attribute)


def test_an_unknown_name_is_an_attribute_error_that_lists_the_names() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'quantise'; it has Budget, .*, quantize"):
        _ = octavo.quantise


def test_the_version_is_that_of_the_package() -> None:
    assert octavo.__version__ == version("octavo")


@pytest.mark.parametrize("name", octavo.__all__)
def test_every_name_has_a_docstring(name: str) -> None:
    text = inspect.getdoc(getattr(octavo, name))
    assert text
    assert text.splitlines()[0].endswith((".", ":")), "the first line is a sentence"


@pytest.mark.parametrize(("name", "value"), CALLABLES, ids=[name for name, _ in CALLABLES])
def test_every_parameter_is_typed_and_every_function_described(name: str, value: object) -> None:
    assert inspect.getdoc(value)
    signature = inspect.signature(value)  # type: ignore[arg-type]
    untyped = [p.name for p in signature.parameters.values() if p.annotation is p.empty and p.name != "self"]
    assert not untyped, name


def test_quantize_describes_each_of_its_arguments() -> None:
    text = inspect.getdoc(octavo.quantize) or ""
    described = re.findall(r"^    (\w+): ", text.split("Args:")[1].split("Returns:")[0], re.MULTILINE)
    assert described == list(inspect.signature(octavo.quantize).parameters)


def test_every_verb_of_the_command_line_has_its_function() -> None:
    verbs = [command.name or "" for command in app.registered_commands]
    assert len(verbs) >= 9
    for verb in verbs:
        assert callable(attrgetter(IN_PACKAGES.get(verb, verb))(octavo)), verb


def test_the_reference_documents_every_name() -> None:
    page = (Path(octavo.__file__).parents[2] / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^::: octavo\.(\w+)", page, re.MULTILINE))
    assert set(octavo.__all__) <= documented


def test_every_user_error_exits_with_2() -> None:
    classes = [value for value in vars(errors).values() if inspect.isclass(value)]
    assert all(issubclass(error, errors.OctavoError) and error.__doc__ for error in classes)
    assert {error.exit_code for error in classes if issubclass(error, errors.UserError)} == {2}
    assert errors.OctavoError.exit_code == 1
    assert errors.BudgetNotMet.exit_code == 3


def test_a_missing_dependency_names_what_to_install() -> None:
    assert str(errors.DependencyError("Pillow", "images")) == (
        "Pillow is not installed; install it with: pip install 'octavo[images]'"
    )


def modules_after(code: str, names: set[str]) -> str:
    """The modules in `names` that a new process has imported after running the code."""
    code = f"{code}\nimport sys\nprint(sorted({names} & set(sys.modules)))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_octavo_imports_no_dependency() -> None:
    names = {"numpy", "onnx", "onnx_ir", "onnxruntime", "torch", "typer", "rich", "jinja2", "yaml", "psutil"}
    assert modules_after("import octavo", names) == "[]"


def test_quantize_needs_no_optional_package_and_no_terminal() -> None:
    names = {"torch", "PIL", "openvino", "sklearn", "scipy", "rich", "typer"}
    assert modules_after("import octavo; octavo.quantize", names) == "[]"
