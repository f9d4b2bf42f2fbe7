"""The command line: its verbs, and the exit code of each way a command can end."""

from __future__ import annotations

import io
import os
import sys
import traceback
from importlib import import_module
from typing import Any

import typer
from rich.markup import escape
from typer.main import get_command

from octavo.cli.flags import flags_of, with_flags
from octavo.errors import OctavoError
from octavo.report.terminal.console import stderr

# One module of `octavo.cli.verbs` each, in the order of `octavo --help`; its function `command` is the verb.
VERBS = ("quantize", "report", "explain", "targets", "compile", "run", "inspect", "compare", "bench")

_INTERRUPTED = 130
# The base class of usage errors: click's, or that of Typer's own copy of click, depending on the version of Typer.
_USAGE: Any = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="octavo",
    help="Post-training quantization: an FP32 model and a little data in, a verified INT8 model out.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _verb in VERBS:
    app.command(_verb)(import_module(f"octavo.cli.verbs.{_verb}").command)


def main() -> None:
    """Run the command line of this process and exit."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; errors are printed as one sentence on stderr.

    Returns:
        The exit code: 0, 1 for a bug in Octavo, 2 for a user error, 3 for a budget that is not met.
    """
    try:
        code: Any = app(arguments or ["--help"], prog_name="octavo", standalone_mode=False, obj=arguments)
        if code == _INTERRUPTED:
            raise KeyboardInterrupt
        return 0 if arguments else 2
    except OctavoError as error:
        _print_error(with_flags(str(error), flags_of(get_command(app))))
        if error.exit_code == 1:
            traceback.print_exc()
        return error.exit_code
    except _USAGE as error:
        _print_error(f"{error.format_message().rstrip('.')}; add --help to see the options")
        return 2
    except (KeyboardInterrupt, typer.Abort):
        resumable = "quantize" in arguments[:1]
        _print_error(f"interrupted; run the same command again{' to resume calibration' * resumable}")
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of the pipe has closed it. Python must not fail again when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        traceback.print_exc()
        _print_error(f"internal error ({type(error).__name__}: {error}); please report it with the traceback above")
        return 1


def _print_error(sentence: str) -> None:
    stderr().print(f"[red]octavo:[/] {escape(' '.join(sentence.split()))}")
