"""Checkpoints of a calibration pass, to resume after an interrupt or a killed process."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from octavo.errors import OptionError
from octavo.ranges import Observer

_VERSION = 1
_HASH = 8


@dataclass
class PassState:
    """Progress of a pass: hashes of the samples processed, serialized observers, seconds elapsed."""

    hashes: list[bytes] = field(default_factory=list)
    observers: dict[str, bytes] = field(default_factory=dict)
    seconds: float = 0.0


def write_checkpoint(path: Path, key: str, observers: Mapping[str, Observer], state: PassState) -> None:
    """Replace the checkpoint atomically.

    Raises:
        OptionError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.part")
    header = {"version": _VERSION, "key": key, "seconds": state.seconds, "tensors": list(observers)}
    try:
        with open(temporary, "wb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                _add(archive, "header.json", json.dumps(header).encode())
                _add(archive, "hashes", b"".join(state.hashes))
                for index, observer in enumerate(observers.values()):
                    _add(archive, str(index), observer.to_bytes())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OptionError(f"checkpoint {path} cannot be written ({error.strerror}); choose another path") from None
    finally:
        remove_checkpoint(temporary)


def read_checkpoint(path: Path, key: str) -> PassState:
    """The state written with the same key (model, data, settings); empty if there is none or it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                # Not written here; a compressed member could expand beyond the available memory.
                return PassState()
            header = json.loads(archive.read("header.json"))
            if (header["version"], header["key"]) != (_VERSION, key):
                return PassState()
            joined = archive.read("hashes")
            if len(joined) % _HASH:
                return PassState()
            hashes = [joined[i : i + _HASH] for i in range(0, len(joined), _HASH)]
            observers = {name: archive.read(str(index)) for index, name in enumerate(header["tensors"])}
            return PassState(hashes, observers, float(header["seconds"]))
    except Exception:
        # A damaged archive raises exceptions of many types, from BadZipFile to RecursionError in JSON.
        return PassState()


def remove_checkpoint(path: Path) -> None:
    """Remove the file if possible; a file that stays is recognized by its key."""
    with suppress(OSError):
        path.unlink()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    # With a fixed date: the clock of a board may be before 1980, the first year of ZIP.
    archive.writestr(zipfile.ZipInfo(name), content)
