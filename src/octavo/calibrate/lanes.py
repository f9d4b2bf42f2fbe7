"""Batches on threads of their own: through the model and into the observers, while the next samples are read."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Lock

from octavo.calibrate.collector import collect
from octavo.data import Batch, run_batch
from octavo.data.samples import Arrays
from octavo.engines.onnxruntime import Session
from octavo.ranges import Observer


class Lanes:
    """So many batches under way at a time, in one model. More than one asks for observers that do not mind the order.

    Attributes:
        observers: what every tensor is shown to; nobody else may touch them between `observe` and `wait`.
    """

    def __init__(self, session: Session | None, observers: Mapping[str, Observer], count: int) -> None:
        self.observers = observers
        self._locks = {name: Lock() for name in observers}
        self._free: SimpleQueue[Session | None] = SimpleQueue()
        for _ in range(count):
            self._free.put(None if session is None else session.twin())
        self._count = count
        self._pool = ThreadPoolExecutor(count)
        self._running: deque[Future[None]] = deque()

    def observe(self, batch: Batch) -> None:
        """Take a batch as soon as a lane is free.

        Raises:
            DataError: the model could not run on an earlier batch.
        """
        self.wait(self._count - 1)
        self._running.append(self._pool.submit(self._take, batch))

    def wait(self, most: int = 0) -> None:
        """Until so many batches are under way and no more.

        Raises:
            DataError: the model could not run on a batch.
        """
        while len(self._running) > most:
            self._running[0].result()
            self._running.popleft()

    def close(self) -> None:
        """Finish what has begun, and end the threads."""
        self._pool.shutdown(cancel_futures=True)

    def _take(self, batch: Batch) -> None:
        session = self._free.get()
        try:
            pairs = [(batch, Arrays())] if session is None else run_batch(session, batch)
            for part, outputs in pairs:
                arrays = {**part.inputs, **outputs}
                for name, observer in self.observers.items():
                    with self._locks[name]:
                        collect(observer, arrays[name], part.size)
        finally:
            self._free.put(session)
