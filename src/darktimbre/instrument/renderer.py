"""Synthesizer → page: the one thread that renders notes, for players in turns, with a cache of what it has rendered."""

import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from darktimbre.instrument.cache import Cache, NoteId, Source, Wave
from darktimbre.instrument.player import Begun as Begun
from darktimbre.instrument.player import Busy, Client, Deliver
from darktimbre.instrument.player import Event as Event
from darktimbre.instrument.player import Failed as Failed
from darktimbre.instrument.player import Finished as Finished
from darktimbre.instrument.player import NoteReady as NoteReady
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.keys import render_sources, sources
from darktimbre.synthesizer.patch import Patch

if TYPE_CHECKING:
    from darktimbre.synthesizer.synthesizer import Synthesizer

CACHE_BYTES = 256 << 20
QUEUE = 256  # different notes that may wait for the HTTP side
BLOCK = 16  # notes at once on an accelerator, which computes a whole block anyway; a CPU takes one


class RenderError(Exception):
    """A note could not be rendered, by no fault of who asked for it."""


@dataclass(slots=True)
class _Request:
    """One note that HTTP callers wait for."""

    patch: Patch
    callers: int = 0
    done: threading.Event = field(default_factory=threading.Event)
    wave: Wave | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Task:
    """What the thread is at, and for which player's which generation, if for one's."""

    key: str
    patch: Patch
    wanted: Sequence[Source]
    client: Client | None = None
    generation: int = 0


class Renderer:
    """Renders note by note in one thread; the live players take turns, and so do they together with HTTP.

    What is rendered goes to everyone who waits for it and into the cache. Used as a context, or closed by hand.
    """

    def __init__(self, instrument: "Synthesizer", *, cache_bytes: int = CACHE_BYTES, queue: int = QUEUE) -> None:
        self.instrument = instrument
        self.sources = sources(instrument)
        self.cache = Cache(cache_bytes)
        self.clients: deque[Client] = deque()  # whose turn is next stands first
        self.changed = threading.Condition()  # guards all but the instrument
        self.closed = False
        self.rendered = self.failed = self.dropped = 0
        self._requests: OrderedDict[NoteId, _Request] = OrderedDict()
        self._queue, self._block = queue, 1 if instrument.device.type == "cpu" else BLOCK
        self._live_turn = True
        self._thread = threading.Thread(target=self._run, name="renderer", daemon=True)
        self._thread.start()

    def client(self, deliver: Deliver) -> Client:
        """A new player; `deliver` must return quickly, and may be called from any thread."""
        client = Client(self, deliver)
        with self.changed:
            if self.closed:
                raise Busy("The instrument has been closed; start it again.")
            self.clients.append(client)
        return client

    def note(self, patch_key: str, patch: Patch, source: Source, timeout: float) -> Wave:
        """One note (sample,) at the instrument's rate, waited for: for scripts, which ask for one after another.

        Raises:
            Busy: too many notes wait already, or the renderer is closed.
            TimeoutError: not rendered within `timeout` seconds.
            UserError: the instrument lacks an attribute or the pitch.
            RenderError: rendering failed.
        """
        name = (patch_key, source)
        with self.changed:
            if self.closed:
                raise Busy("The instrument has been closed; start it again.")
            wave = self.cache.get(name)
            if wave is not None:
                return wave
            request = self._requests.get(name)
            if request is None:
                if len(self._requests) >= self._queue:
                    raise Busy("Too many notes wait to be rendered; try again in a moment.")
                request = self._requests[name] = _Request(patch)
            request.callers += 1
            self.changed.notify()
        if not request.done.wait(timeout):
            with self.changed:
                request.callers -= 1
                if not request.callers and self._requests.get(name) is request:
                    del self._requests[name]
            raise TimeoutError(f"The note was not rendered within {timeout:g} s; ask for fewer at once.")
        if request.error is not None:  # one of its own for each caller: raising writes to an exception
            raise type(request.error)(*request.error.args) from request.error
        assert request.wave is not None
        return request.wave

    def statistics(self) -> dict[str, Any]:
        """How busy it is: notes rendered and cached so far, notes waited for, players."""
        with self.changed:
            return {
                "rendered": self.rendered,
                "failed": self.failed,
                "cached_notes": len(self.cache),
                "cached_bytes": self.cache.bytes,
                "clients": len(self.clients),
                "dropped_clients": self.dropped,
                "waiting_live": sum(len(client.job.waiting) for client in self.clients if client.job),
                "waiting_http": len(self._requests),
                "http_callers": sum(request.callers for request in self._requests.values()),
            }

    def close(self) -> None:
        """Ends the thread after the note it is at; who waits for a note is told `Busy`."""
        with self.changed:
            self.closed = True
            for request in self._requests.values():
                request.error = Busy("The instrument has been closed; start it again.")
                request.done.set()
            self._requests.clear()
            for client in list(self.clients):
                client.close()
            self.changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------------------
    # The render thread

    def _run(self) -> None:
        while self._turn():
            pass

    def _turn(self) -> bool:
        """One task; a method of its own, so that nothing keeps hold of it while the next is waited for."""
        task = self._next()
        if task is None:
            return False
        try:
            waves = render_sources(self.instrument, task.patch, task.wanted)
            if not np.isfinite(waves).all():
                raise UserError("This sound is out of all bounds; bring its sliders nearer to where they were.")
            served = self._hand_out(task, waves)
        except Exception as error:
            served = self._give_up(task, error)
        for client in served:
            client.flush()
        return True

    def _next(self) -> _Task | None:
        with self.changed:
            while not self.closed:
                ways = (self._next_live, self._next_request)
                for way in ways if self._live_turn else reversed(ways):
                    task = way()
                    if task is not None:
                        self._live_turn = way == self._next_request
                        return task
                self.changed.wait()
            return None

    def _next_live(self) -> _Task | None:
        for _ in range(len(self.clients)):
            client = self.clients[0]
            self.clients.rotate(-1)
            if (job := client.job) is not None and job.waiting:
                return _Task(job.key, job.patch, job.waiting[: self._block], client, job.generation)
        return None

    def _next_request(self) -> _Task | None:
        for (key, source), request in self._requests.items():
            return _Task(key, request.patch, (source,))
        return None

    def _hand_out(self, task: _Task, waves: Wave) -> list[Client]:
        served = []
        with self.changed:
            for source, wave in zip(task.wanted, waves, strict=True):
                wave = wave.copy() if len(waves) > 1 else wave  # a view would keep the whole block in the cache
                wave.setflags(write=False)
                self.rendered += 1
                self.cache.put((task.key, source), wave)
                request = self._requests.pop((task.key, source), None)
                if request is not None:
                    request.wave = wave
                    request.done.set()
                served += [client for client in self.clients if client.receive(task.key, source, wave)]
                if task.client is not None and task.client.receive_late(task.generation, source, wave):
                    served.append(task.client)
        return served

    def _give_up(self, task: _Task, error: Exception) -> list[Client]:
        if not isinstance(error, UserError):
            told = RenderError(f"This sound could not be rendered ({type(error).__name__}: {error}).")
            told.__cause__ = error
            error = told
        with self.changed:
            self.failed += 1
            for source in task.wanted:
                request = self._requests.pop((task.key, source), None)
                if request is not None:
                    request.error = error
                    request.done.set()
            return [client for client in self.clients if client.fail(task.key, task.wanted, str(error))]
