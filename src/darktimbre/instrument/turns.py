"""How much is taken on at once: bodies read within limits, work in turns, messages at a pace. No HTTP here, either."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from darktimbre.instrument.admission import Limits, Refusal

Value = TypeVar("Value")


async def collect(chunks: AsyncIterator[bytes], declared: int | None, limit: int, seconds: float) -> bytes:
    """A body, read no further than `limit` and for no longer than `seconds`, whatever its header claims.

    Raises:
        Refusal: 413 or 408.
    """
    if declared is not None and declared > limit:
        raise too_large(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in chunks:
                body += chunk
                if len(body) > limit:
                    raise too_large(limit)
    except TimeoutError:
        raise Refusal(408, f"The request did not arrive within {seconds:g} s: send it again.") from None
    return bytes(body)


def too_large(limit: int) -> Refusal:
    """413, with the limit in words."""
    size = f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit >> 10} KiB"
    return Refusal(413, f"That is too much: at most {size} are taken at once.")


class Places:
    """Room for so many of a kind; the next are refused."""

    def __init__(self, most: int) -> None:
        self.most, self.taken = most, 0

    def enter(self) -> None:
        """Takes a place. Raises Refusal: 503, there is none."""
        if self.taken >= self.most:
            raise busy()
        self.taken += 1

    def leave(self) -> None:
        """Gives it back."""
        self.taken -= 1

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for as long as the context lasts."""
        self.enter()
        try:
            yield
        finally:
            self.leave()


class Gate:
    """Work of one kind, in threads of its own: some at once, some waiting, the next are refused.

    A thread, once started, runs to its end and keeps its place until then, whether anyone still waits for it or not.
    The threads are daemons: the end of the program does not wait for them.
    """

    def __init__(self, at_once: int, waiting: int, seconds: float) -> None:
        """So many threads, and `waiting` requests that wait for one, for so many seconds."""
        self._free = asyncio.Semaphore(at_once)
        self._seconds = seconds
        self._places = Places(at_once + waiting)

    @property
    def inside(self) -> int:
        """Requests that work or wait."""
        return self._places.taken

    async def run(self, work: Callable[..., Value], *arguments: Any, seconds: float) -> Value:
        """What `work(*arguments)` returns or raises.

        Raises:
            Refusal: 503, too many are waiting, or it did not start in time; 504, it took longer than `seconds`.
        """
        self._places.enter()
        try:
            async with asyncio.timeout(self._seconds):
                await self._free.acquire()
        except BaseException as error:
            self._places.leave()
            raise busy() if isinstance(error, TimeoutError) else error from None
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Value] = loop.create_future()

        def settle(value: Any, error: BaseException | None) -> None:
            self._free.release()
            self._places.leave()
            if answer.done():  # nobody waits any more
                return
            if error is None:
                answer.set_result(value)
            else:
                answer.set_exception(error)

        def run() -> None:
            value, error = None, None
            try:
                value = work(*arguments)
            except BaseException as raised:
                error = raised
            with suppress(RuntimeError):  # the server has ended
                loop.call_soon_threadsafe(settle, value, error)

        threading.Thread(target=run, name="request", daemon=True).start()
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            raise Refusal(504, f"This took longer than {seconds:g} s: ask for less at once.", retry_after=5) from None


def gates(limits: Limits) -> dict[str, Gate]:
    """Every kind of work that a server does, by the name in its status."""
    return {
        "renders": Gate(limits.renders, limits.waiting, limits.wait_seconds),
        "batches": Gate(limits.batches, 4, limits.batch_seconds),
        "uploads": Gate(limits.uploads, 4, limits.wait_seconds),
        "exports": Gate(limits.exports, 4, limits.export_seconds),
        "presets": Gate(1, limits.waiting, limits.wait_seconds),
        "words": Gate(1, 4, limits.wait_seconds),
    }


def busy() -> Refusal:
    """503: come later."""
    return Refusal(503, "The instrument is busy with other requests: ask again in a second.", retry_after=1)


class Pace:
    """A bound on the rate of messages: `wait()` says how long to wait before the next is taken (a token bucket)."""

    def __init__(self, rate: float, burst: float | None = None) -> None:
        self._rate = rate
        self._most = self._left = rate if burst is None else burst
        self._at = time.monotonic()

    def wait(self) -> float:
        """Seconds to wait before the message at hand is served; 0 while the sender keeps to the rate."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._rate) - 1.0
        self._at = now
        return max(0.0, -self._left / self._rate)
