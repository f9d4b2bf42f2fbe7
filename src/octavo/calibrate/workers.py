"""Batches on threads of their own: through the model and into the observers, while the next samples are read."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from octavo.calibrate.observation import Observation
from octavo.data import Batch


class BatchWorkers:
    """So many batches under way at a time."""

    def __init__(self, observation: Observation, count: int) -> None:
        self._observation = observation
        self._count = count
        self._pool = ThreadPoolExecutor(count)
        self._running: deque[Future[None]] = deque()

    def observe(self, batch: Batch) -> None:
        """Take a batch as soon as a worker has at most one waiting.

        Raises:
            DataError: the model could not run on an earlier batch.
        """
        self._wait(self._count)
        self._running.append(self._pool.submit(self._observation.observe, batch))

    def wait(self) -> None:
        """Until no batch is under way and the observers know of all.

        Raises:
            DataError: the model could not run on a batch.
        """
        self._wait(0)
        self._observation.settle()

    def close(self) -> None:
        """Finish what has begun, and end the threads."""
        self._pool.shutdown(cancel_futures=True)

    def _wait(self, most: int) -> None:
        while len(self._running) > most:
            self._running[0].result()
            self._running.popleft()
