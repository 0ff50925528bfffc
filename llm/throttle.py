"""How many calls are in flight: more while all goes well, half as many after a 429."""

from __future__ import annotations

import asyncio
import time
from collections import deque

_FACTOR = 0.5
_HOLD = 1.0  # seconds: a storm of 429s that were sent together is one signal


class Throttle:
    """Additive increase, multiplicative decrease (Chiu and Jain 1989) of calls in flight.

    Belongs to one event loop.

    Args:
        most: Most calls at the same time; also where it starts.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(most)
        self.active = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._open_at = 0.0
        self._lowered_at = -_HOLD

    async def acquire(self) -> None:
        """Waits for a place, and for the end of a pause the server asked for."""
        while True:
            pause = self._open_at - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
                continue
            if self.active < int(self.limit):
                self.active += 1
                return
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self._wake()  # hand the wake-up on: it was meant for somebody
                raise

    def release(self) -> None:
        """Gives the place back."""
        self.active -= 1
        self._wake()

    def raise_limit(self) -> None:
        """After a success: one call more per round of calls."""
        self.limit = min(float(self.most), self.limit + 1.0 / max(1.0, self.limit))

    def lower_limit(self, pause: float = 0.0) -> None:
        """After a 429 or a timeout: half as many; nothing is sent for `pause` seconds."""
        now = time.monotonic()
        self._open_at = max(self._open_at, now + pause)
        if now - self._lowered_at >= _HOLD:
            self._lowered_at = now
            self.limit = max(1.0, self.limit * _FACTOR)

    def _wake(self) -> None:
        free = int(self.limit) - self.active
        while self._waiting and free > 0:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                free -= 1
