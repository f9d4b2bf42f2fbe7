"""A checkpoint is read exactly as written, or ignored if the file is damaged."""

from __future__ import annotations

import errno
import json
import os
import pickle
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.distributions import sketch_of

from octavo.calibrate.checkpoint import PassState, read_checkpoint, remove_checkpoint, write_checkpoint
from octavo.errors import OptionError

OBSERVERS = {"x": sketch_of(np.float32([1, -2, 0.5])), "/层/y 1": sketch_of(np.float32([3]))}
STATE = PassState([b"12345678", b"abcdefgh"], {name: sketch.to_bytes() for name, sketch in OBSERVERS.items()}, 1.25)
KEY = "key"


def checkpoint_bytes(path: Path) -> bytes:
    write_checkpoint(path, KEY, OBSERVERS, STATE)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.checkpoint"


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return checkpoint_bytes(tmp_path_factory.mktemp("good") / "state")


@given(
    st.lists(st.binary(min_size=8, max_size=8)),
    st.dictionaries(st.text(), st.lists(st.floats(width=32))),
    st.floats(0, 1e9),
    st.text(),
)
def test_round_trip(hashes, values, seconds, key):
    observers = {name: sketch_of(np.array(observer, np.float32)) for name, observer in values.items()}
    state = PassState(hashes, {name: observer.to_bytes() for name, observer in observers.items()}, seconds)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        write_checkpoint(path, key, observers, state)
        assert read_checkpoint(path, key) == state
        assert read_checkpoint(path, key + "!") == PassState()
        assert os.listdir(folder) == ["state"]


@given(st.data())
def test_a_flipped_bit_is_harmless_or_detected(valid, data):
    damaged = bytearray(valid)
    damaged[data.draw(st.integers(0, len(valid) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert read(bytes(damaged)) in (STATE, PassState())


@given(st.data())
def test_a_truncated_checkpoint_is_ignored(valid, data):
    length = data.draw(st.integers(0, len(valid) - 1))
    assert read(valid[:length]) == PassState()
    zeroed = valid[:length] + bytes(len(valid) - length)
    assert zeroed == valid or read(zeroed) == PassState()


@given(st.binary(max_size=500))
def test_random_bytes_are_ignored(junk):
    assert read(junk) == PassState()


def read(content: bytes) -> PassState:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        path.write_bytes(content)
        return read_checkpoint(path, KEY)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = str(trace)

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, (self._trace,)


def archive(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)


def header(**changes: object) -> bytes:
    fields = {"version": 1, "key": KEY, "seconds": 1.0, "tensors": ["x"]}
    return json.dumps({**fields, **changes}).encode()


HOSTILE: dict[str, dict[str, bytes]] = {
    "nothing in it": {},
    "no header": {"hashes": b"", "0": b""},
    "no hashes": {"header.json": header(), "0": b""},
    "a tensor too few": {"header.json": header(tensors=["x", "y"]), "hashes": b"", "0": b""},
    "a header that is a list": {"header.json": b"[]", "hashes": b""},
    "a header that is not JSON": {"header.json": b"\xff\xfe{", "hashes": b""},
    "a header nested too deeply": {"header.json": b"[" * 200_000, "hashes": b""},
    "a number too long to read": {"header.json": header().replace(b"1.0", b"1" * 10_000), "hashes": b"", "0": b""},
    "tensors that are a number": {"header.json": header(tensors=7), "hashes": b""},
    "tensors without names": {"header.json": header(tensors=[["x"]]), "hashes": b"", "0": b""},
    "seconds that are a text": {"header.json": header(seconds="soon"), "hashes": b"", "0": b""},
    "half a hash": {"header.json": header(), "hashes": b"12345678abcd", "0": b""},
    "another version": {"header.json": header(version=2), "hashes": b"", "0": b""},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_archive_that_is_no_checkpoint_is_ignored(kind: str, path: Path) -> None:
    archive(path, HOSTILE[kind])
    assert read_checkpoint(path, KEY) == PassState()


def test_compressed_members_are_not_unpacked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive(path, {"header.json": header(), "hashes": bytes(1 << 24), "0": b""}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 16
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("unpacked"))
    assert read_checkpoint(path, KEY) == PassState()


def test_nothing_is_unpickled(path: Path, tmp_path: Path) -> None:
    bomb = pickle.dumps(Bomb(tmp_path / "trace"))
    for members in ({"header.json": bomb}, {"header.json": header(), "hashes": bomb, "0": bomb}):
        archive(path, members)
        read_checkpoint(path, KEY)
    path.write_bytes(bomb)
    assert read_checkpoint(path, KEY) == PassState()
    assert not (tmp_path / "trace").exists()


def test_a_folder_a_symlink_loop_and_a_missing_file_are_ignored(path: Path, tmp_path: Path) -> None:
    path.symlink_to(path)
    for unreadable in (tmp_path, path, tmp_path / "missing", tmp_path / "missing" / "state"):
        assert read_checkpoint(unreadable, KEY) == PassState()
        remove_checkpoint(unreadable / "none")


@pytest.mark.parametrize("place", ["missing/state", "file/state", "folder"])
def test_an_unwritable_path_is_named_in_one_sentence(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OptionError, match=rf"^checkpoint \S+{place} cannot be written \([^)]+\); choose another path$"):
        checkpoint_bytes(tmp_path / place)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


@pytest.mark.parametrize(
    ("error", "raised"),
    [(OSError(errno.ENOSPC, "No space left on device"), OptionError), (KeyboardInterrupt(), KeyboardInterrupt)],
)
def test_a_write_that_fails_leaves_the_last_checkpoint(
    error: BaseException, raised: type[BaseException], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = checkpoint_bytes(path)

    def fail(_: int) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(raised):
        write_checkpoint(path, KEY, {"x": OBSERVERS["x"]}, PassState())
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_it_is_written_with_an_unset_clock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    checkpoint_bytes(path)
    assert read_checkpoint(path, KEY) == STATE
