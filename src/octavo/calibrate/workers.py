"""Worker threads that run batches while the next samples are read."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from octavo.calibrate.observation import Observation
from octavo.data import Batch


class BatchWorkers:
    """Up to `count` batches running at a time."""

    def __init__(self, observation: Observation, count: int) -> None:
        self._observation = observation
        self._count = count
        self._pool = ThreadPoolExecutor(count)
        self._running: deque[Future[None]] = deque()

    def observe(self, batch: Batch) -> None:
        """Submit a batch; wait while more than `count` batches are queued or running.

        Raises:
            DataError: the model failed on an earlier batch.
        """
        self._wait(self._count)
        self._running.append(self._pool.submit(self._observation.observe, batch))

    def wait(self) -> None:
        """Wait until all batches are done and the observers are complete.

        Raises:
            DataError: the model failed on a batch.
        """
        self._wait(0)
        self._observation.settle()

    def close(self) -> None:
        """Finish running batches, cancel queued ones, and end the threads."""
        self._pool.shutdown(cancel_futures=True)

    def _wait(self, remaining: int) -> None:
        while len(self._running) > remaining:
            self._running[0].result()
            self._running.popleft()
