"""Progress: bars on a terminal, removed at the end, and lines elsewhere where a stage takes long."""

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
from octavo.report.terminal.progress import LogProgress, TerminalProgress, watcher

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


def test_the_choice_follows_stderr(screen: StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(watcher(), TerminalProgress)
    monkeypatch.setattr(progress, "stderr", lambda: Console(file=StringIO()))
    assert isinstance(watcher(), LogProgress)


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """A file that is no terminal."""
    file = StringIO()
    monkeypatch.setattr(progress, "stderr", lambda: Console(file=file, width=80))
    return file


def test_a_log_says_nothing_of_short_stages(log: StringIO) -> None:
    clock = Clock()
    with LogProgress(clock) as lines:
        for stage in ("calibrate", "evaluate"):
            lines.start(stage, 100)
            for _ in range(100):
                clock.now += 0.09
                lines.advance()
        lines.done()
        lines.advance()
    assert log.getvalue() == ""


def test_a_log_has_a_line_at_intervals_with_a_forecast(log: StringIO) -> None:
    clock = Clock()
    with LogProgress(clock) as lines:
        lines.start("calibrate", 100)
        for _ in range(100):
            clock.now += 1
            lines.advance()
        lines.start("round")
        for _ in range(50):
            clock.now += 1
            lines.advance()
    assert log.getvalue().splitlines() == [
        "octavo: calibrate: 10 of 100, about 90 s left",
        "octavo: calibrate: 40 of 100, about 60 s left",
        "octavo: calibrate: 70 of 100, about 30 s left",
        "octavo: calibrate: 100 of 100, about 1 s left",
        "octavo: calibrate: done in 2 min",
        "octavo: round: 10 done after 10 s",
        "octavo: round: 40 done after 40 s",
    ]


def test_a_log_has_announcements(log: StringIO) -> None:
    LogProgress().announce("train: about 7 min; it is for 'conv[1]'")
    assert log.getvalue() == "octavo: train: about 7 min; it is for 'conv[1]'\n"
