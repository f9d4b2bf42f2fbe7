"""Bundles, opened by the native runtime."""

from __future__ import annotations

import os

from octavo._native import BundleModel, BundleSession
from octavo.errors import ModelError

__all__ = ["BundleModel", "BundleSession", "open_bundle"]


def open_bundle(path: str | os.PathLike[str]) -> BundleModel:
    """A bundle, mapped into memory and checked.

    Raises:
        ModelError: the file cannot be read, or is no sound bundle.
    """
    try:
        return BundleModel(os.fspath(path))
    except ValueError as error:
        message = str(error)
        raise ModelError(message if str(path) in message else f"{path}: {message}") from None
