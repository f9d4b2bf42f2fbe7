"""Consoles: terminal width or 120 columns, tables on stdout, errors on stderr."""

from __future__ import annotations

import pytest

from octavo.report.terminal.console import stderr, stdout


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_terminal_tables_are_120_wide_and_plain(capsys: pytest.CaptureFixture[str]) -> None:
    console = stdout()
    assert console.width == 120
    console.print("[bold]x[/]" + "y" * 100 + " " + "z" * 30)
    assert capsys.readouterr().out.split() == ["x" + "y" * 100, "z" * 30]


def test_the_width_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "93")
    assert stdout().width == 93


def test_numbers_and_names_are_not_highlighted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    stdout().print("12.5 ms /a/path 'name'")
    assert capsys.readouterr().out == "12.5 ms /a/path 'name'\n"


def test_an_error_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    stderr().print("word " * 60)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
