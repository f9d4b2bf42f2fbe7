"""Progress: bars on a terminal, removed at the end, and no output elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from io import StringIO

import pytest
from rich.console import Console

from octavo.report.terminal import progress
from octavo.report.terminal.progress import Quiet, TerminalProgress, watcher

WORK = """
from octavo.report.terminal.progress import watcher
with watcher() as progress:
    progress.start("calibrate", 4)
    progress.advance(3)
    progress.start("time")
    progress.advance(1234)
print("done")
"""


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """A terminal that is a text in memory."""
    file = StringIO()
    monkeypatch.setattr(
        progress, "stderr", lambda: Console(file=file, force_terminal=True, width=80, color_system=None)
    )
    return file


def test_without_a_terminal_nothing_is_printed() -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "TTY_COMPATIBLE")}
    completed = subprocess.run(
        [sys.executable, "-c", WORK], capture_output=True, text=True, check=True, env=environment
    )
    assert (completed.stdout, completed.stderr) == ("done\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_on_a_terminal_bars_are_drawn_on_stderr_only() -> None:
    controller, terminal = pty.openpty()
    chunks: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(controller, 65536):
                chunks.append(chunk)
        except OSError:  # the other end is closed
            return

    reader = threading.Thread(target=read)
    reader.start()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    completed = subprocess.run(
        [sys.executable, "-c", WORK], stdout=subprocess.PIPE, stderr=terminal, text=True, check=True, env=environment
    )
    os.close(terminal)
    reader.join()
    os.close(controller)
    text = b"".join(chunks).decode()
    assert completed.stdout == "done\n"
    assert "time" in text
    assert text.rstrip().endswith("\x1b[2K"), "the bar is wiped at the end"


def test_a_bar_with_a_total_shows_counts(screen: StringIO) -> None:
    with TerminalProgress() as bars:
        bars.start("calibrate", 64)
        bars.advance(60)
        bars.advance()
    assert "calibrate" in screen.getvalue()
    assert "61/64" in screen.getvalue()


def test_a_bar_without_a_total_shows_no_count(screen: StringIO) -> None:
    with TerminalProgress() as bars:
        bars.start("time")
        bars.advance(1234)
    assert "time" in screen.getvalue()
    assert "1234" not in screen.getvalue()
    assert "/?" not in screen.getvalue()


def test_a_stage_replaces_the_one_before(screen: StringIO) -> None:
    with TerminalProgress() as bars:
        bars.start("calibrate", 3)
        bars.start("evaluate", 5)
        bars.done()
        bars.done()
        bars.advance()
    last = screen.getvalue()[screen.getvalue().rindex("evaluate") :]
    assert "calibrate" not in last


def test_the_choice_follows_stderr(screen: StringIO) -> None:
    assert isinstance(watcher(), TerminalProgress)
    with Quiet() as quiet:
        quiet.start("calibrate", 3)
        quiet.advance()
        quiet.done()
    assert screen.getvalue() == ""
