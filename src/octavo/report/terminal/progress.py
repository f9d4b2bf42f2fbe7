"""Progress bars on a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.text import Text

from octavo.report.terminal.console import stderr
from octavo.system.progress import Progress, Silent


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


class Quiet(Silent):
    """A `Progress` that prints nothing, for pipes and files."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None: ...


def watcher() -> TerminalProgress | Quiet:
    """A context manager: bars if stderr is a terminal, else no output."""
    return TerminalProgress() if stderr().is_terminal else Quiet()
