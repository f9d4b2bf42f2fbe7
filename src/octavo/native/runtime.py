"""Open bundles and sessions of the native runtime."""

from __future__ import annotations

import os

from octavo.errors import ModelError, OptionError
from octavo.native._native import BundleModel, BundleSession
from octavo.native._native import operators as operator_schema

__all__ = ["BundleModel", "BundleSession", "open_bundle", "open_session", "operator_schema"]

_MOST_THREADS = 256


def open_bundle(path: str | os.PathLike[str]) -> BundleModel:
    """Map a bundle into memory and validate it.

    Raises:
        ModelError: the file cannot be read or is not a valid bundle.
    """
    try:
        return BundleModel(os.fspath(path))
    except ValueError as error:
        message = str(error)
        raise ModelError(message if str(path) in message else f"{path}: {message}") from None


def open_session(model: BundleModel, threads: int) -> BundleSession:
    """Allocate the memory and start the threads that a bundle runs with.

    Raises:
        OptionError: the number of threads is not in 1..256, or the system cannot start them.
    """
    if not 1 <= threads <= _MOST_THREADS:
        raise OptionError(f"{threads} threads cannot share a run; choose 1 to {_MOST_THREADS}")
    try:
        return BundleSession(model, threads)
    except ValueError as error:
        raise OptionError(f"a session of {threads} threads cannot be opened: {error}; choose fewer") from None
