"""The thread that notices handlers which take long, for all connections of a server."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.rpc.dispatch import IncomingCall
    from toolkit.sync.serving import Serving

__all__ = ["Monitor"]

logger = logging.getLogger(__name__)

TICK = 0.002  # seconds; a call behind a slow handler waits for two of them at most
IDLE_TICKS = 25  # looks that find a connection idle before it is left alone


class Monitor:
    """Looks at the busy connections every tick; asleep while there is none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards what follows; taken after a connection's lock
        self._watched: dict[Serving, int] = {}  # the looks that found it idle
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._sleep = threading.Event()

    def watch(self, serving: Serving) -> None:
        """This connection runs a handler; look at it until it is idle."""
        with self._lock:
            self._watched[serving] = 0
            if self._thread is None and not self._stopped:
                thread = threading.Thread(target=self._run, name="ttrpc-monitor", daemon=True)
                try:
                    thread.start()
                    self._thread = thread
                except RuntimeError as exc:  # the next handler tries again
                    logger.warning("slow handlers hold up their connection: %s", exc)
        self._sleep.set()

    def stop(self) -> None:
        """End the thread."""
        with self._lock:
            self._stopped = True
            thread = self._thread
            self._watched.clear()
        self._sleep.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        seen: dict[Serving, IncomingCall] = {}
        while not self._stopped:
            with self._lock:
                watched = list(self._watched)
            now = time.monotonic()
            next_look: float | None = None
            for serving in watched:
                try:
                    look = self._look(serving, seen, now)
                except Exception:
                    logger.exception("looking at a connection failed")
                    look = now + TICK
                if look is not None and (next_look is None or look < next_look):
                    next_look = look
            self._sleep.wait(None if next_look is None else max(next_look - now, 0.0))
            self._sleep.clear()

    def _look(
        self, serving: Serving, seen: dict[Serving, IncomingCall], now: float
    ) -> float | None:
        """Look at one connection; when to look again."""
        deadline = serving.expire(now)
        running = serving.running
        if running is not None:
            if seen.get(serving) is running:
                serving.take_over(running)
            seen[serving] = running
            with self._lock:
                self._watched[serving] = 0
            return now + TICK
        seen.pop(serving, None)
        with self._lock:
            idle = self._watched[serving] = self._watched.get(serving, 0) + 1
        if idle < IDLE_TICKS or not serving.unwatch():
            return now + TICK
        # From here on the next handler wakes this thread; until then there are deadlines at most.
        if deadline is None:
            with self._lock:
                if self._watched.get(serving) == idle:  # else a handler has begun already
                    del self._watched[serving]
        return deadline
