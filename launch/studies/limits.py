"""How many requests are taken at once and over time."""

import threading
import time
from collections.abc import Callable


class Bucket:
    """Holds `size` tokens and gets `rate` a second; each request that is taken costs one. Threads may share it."""

    def __init__(self, rate: float, size: float, clock: Callable[[], float] = time.monotonic):
        self._rate, self._size, self._clock = rate, size, clock
        self._left, self._at, self._lock = size, clock(), threading.Lock()

    def take(self) -> bool:
        """Whether there was a token."""
        with self._lock:
            now = self._clock()
            self._left = min(self._size, self._left + (now - self._at) * self._rate)
            self._at = now
            if self._left < 1:
                return False
            self._left -= 1
            return True


__all__ = ["Bucket"]
