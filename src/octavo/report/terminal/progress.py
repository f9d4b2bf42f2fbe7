"""Progress bars on a terminal, and lines in a log."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.text import Text

from octavo.report.terminal.console import stderr
from octavo.system.progress import rough_duration

# A stage is silent for so long, and then prints a line at intervals.
_SILENT_SECONDS, _INTERVAL_SECONDS = 10.0, 30.0


class _Count(MofNCompleteColumn):
    """The number of steps done and expected; empty if the total is not known."""

    def render(self, task: Task) -> Text:
        return Text() if task.total is None else super().render(task)


class TerminalProgress:
    """A `Progress` that draws one bar per stage and removes it at the end."""

    def __init__(self) -> None:
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            _Count(),
            TimeElapsedColumn(),
            console=stderr(),
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def announce(self, line: str) -> None:
        """Print a line above the bars."""
        self._bars.console.print(line)

    def start(self, stage: str, total: int | None = None) -> None:
        """Draw a new bar."""
        self.done()
        self._task = self._bars.add_task(stage, total=total)

    def advance(self, steps: int = 1) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.advance(self._task, steps)

    def done(self) -> None:
        """Remove the bar."""
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None


class LogProgress:
    """A `Progress` for logs and pipes: a line for a stage that takes long, and then one at intervals.

    Short runs print nothing. A line says how much is done and, where the total is known, about how long the rest takes.

    Args:
        clock: seconds that pass; for tests.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._stage, self._steps, self._spoke = "", 0, False
        self._total: int | None = None
        self._began = self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def announce(self, line: str) -> None:
        """Print the line."""
        _print(line)

    def start(self, stage: str, total: int | None = None) -> None:
        """Begin a stage, which stays silent at first."""
        self.done()
        self._stage, self._total, self._steps = stage, total, 0
        self._began = self._clock()
        self._next, self._spoke = self._began + _SILENT_SECONDS, False

    def advance(self, steps: int = 1) -> None:
        """Count steps, and print a line where it is due."""
        self._steps += steps
        now = self._clock()
        if self._stage and now >= self._next:
            _print(f"{self._stage}: {self._done_so_far(now - self._began)}")
            self._next, self._spoke = now + _INTERVAL_SECONDS, True

    def done(self) -> None:
        """End the stage, with a line if it printed any."""
        if self._spoke:
            _print(f"{self._stage}: done in {rough_duration(self._clock() - self._began)}")
        self._stage, self._spoke = "", False

    def _done_so_far(self, seconds: float) -> str:
        if self._total is None or not 0 < self._steps <= self._total:
            return f"{self._steps} done after {rough_duration(seconds)}"
        left = seconds / self._steps * (self._total - self._steps)
        return f"{self._steps} of {self._total}, about {rough_duration(left)} left"


def _print(line: str) -> None:
    stderr().print(f"octavo: {line}", markup=False, highlight=False, soft_wrap=True)


def watcher() -> TerminalProgress | LogProgress:
    """A context manager: bars if stderr is a terminal, else lines where a stage takes long."""
    return TerminalProgress() if stderr().is_terminal else LogProgress()
