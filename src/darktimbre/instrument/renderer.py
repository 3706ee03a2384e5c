"""Synthesizer → page: one thread renders notes for all live clients in turn, and keeps what it has rendered."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.keys import UNPITCHED, nearest_first, render_sources, sources
from darktimbre.synthesizer.patch import Patch
from darktimbre.synthesizer.synthesizer import Synthesizer

CACHE_BYTES = 256 << 20
QUEUE = 256  # different notes that may wait for the HTTP side
BLOCK = 16  # notes at once on an accelerator, which computes a whole block anyway; a CPU takes one

Wave = NDArray[np.float32]  # (sample,)
Source = float | None  # pitch at which a note is rendered
NoteId = tuple[str, Source]  # patch key, pitch


class Cache:
    """Rendered notes by patch and pitch, the longest unused thrown out first; never more than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit, self.bytes = limit, 0
        self._waves: OrderedDict[NoteId, Wave] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waves)

    def get(self, name: NoteId) -> Wave | None:
        """The note, if it is there; it counts as used."""
        wave = self._waves.get(name)
        if wave is not None:
            self._waves.move_to_end(name)
        return wave

    def put(self, name: NoteId, wave: Wave) -> None:
        """Keeps a note as long as there is room."""
        replaced = self._waves.pop(name, None)
        self.bytes += wave.nbytes - (0 if replaced is None else replaced.nbytes)
        self._waves[name] = wave
        while self.bytes > self.limit:
            self.bytes -= self._waves.popitem(last=False)[1].nbytes


# ----------------------------------------------------------------------------
# A live client and its events


class Busy(Exception):
    """There is no room for more work, or the renderer is closed; the message says which."""


@dataclass(frozen=True, slots=True)
class Started:
    """Rendering of a client's keyboard has started: its pitches, nearest first, of which `cached` come at once."""

    generation: int
    pitches: tuple[Source, ...]
    cached: int


@dataclass(frozen=True, slots=True)
class NoteReady:
    """One rendered pitch: (sample,) at the instrument's rate, not to be written to."""

    generation: int
    source: Source
    wave: Wave


@dataclass(frozen=True, slots=True)
class Finished:
    """The whole keyboard is rendered, so many seconds after the request."""

    generation: int
    seconds: float
    rendered: int
    cached: int


@dataclass(frozen=True, slots=True)
class Failed:
    """No more notes come of this generation; `reason` is one sentence."""

    generation: int
    reason: str


Event = NoteReady | Finished | Failed
Deliver = Callable[[Event], None]


@dataclass(slots=True)
class _Keyboard:
    """What one client waits for."""

    generation: int
    key: str
    patch: Patch
    waiting: list[Source]  # nearest first
    started_at: float
    cached: int
    rendered: int = 0


class Client(AbstractContextManager["Client"]):
    """One live connection; made by `Renderer.client`, used as a context or closed explicitly.

    Events are delivered one at a time, from the render thread or from the thread that calls `play`. The note that was
    being rendered when a new `play` cancelled its keyboard is still delivered, with the number of its own generation,
    unless there is a newer one of its pitch: so the sound follows a slider that moves faster than notes are rendered.
    """

    def __init__(self, renderer: "Renderer", deliver: Deliver) -> None:
        self._renderer, self._deliver = renderer, deliver
        self.job: _Keyboard | None = None
        self.outbox: deque[Event] = deque()
        self.closed = False
        self._near: float = UNPITCHED
        self._delivering = threading.Lock()

    def play(self, patch: Patch, near: float | None = None, generation: int | None = None) -> Started:
        """Requests the whole keyboard of a patch; what an earlier call still waits for is cancelled.

        Args:
            patch: what to play.
            near: pitch around which to start; by default the last one given.
            generation: number of its events; by default one more than the last.

        Raises:
            UserError: the instrument lacks one of the patch's attributes.
            Busy: client or renderer are closed.
        """
        renderer = self._renderer
        patch.levels(renderer.instrument.controls.attributes)
        key = patch.key(renderer.instrument.bundle.digest)
        with renderer.changed:
            if self.closed or renderer.closed:
                raise Busy("The instrument has been closed; start it again.")
            if generation is None:
                generation = 1 if self.job is None else self.job.generation + 1
            if near is not None:
                self._near = near
            order = nearest_first(renderer.sources, self._near)
            self.outbox.clear()
            self.job = _Keyboard(generation, key, patch, [], time.monotonic(), 0)
            for source in order:
                wave = renderer.cache.get((key, source))
                if wave is None:
                    self.job.waiting.append(source)
                else:
                    self.job.cached += 1
                    self.outbox.append(NoteReady(generation, source, wave))
            started = Started(generation, tuple(order), self.job.cached)
            self._finish_if_done()
            renderer.changed.notify()
        self.flush()
        return started

    def near(self, pitch: float) -> None:
        """Sets the pitch that is played around: what still waits is put in a new order."""
        with self._renderer.changed:
            self._near = pitch
            if self.job is not None:
                self.job.waiting = nearest_first(self.job.waiting, pitch)

    def close(self) -> None:
        """Cancels what still waits; the renderer forgets this client."""
        with self._renderer.changed:
            self.closed, self.job = True, None
            self.outbox.clear()
            if self in self._renderer.clients:
                self._renderer.clients.remove(self)

    def __exit__(self, *_: object) -> None:
        self.close()

    # Called by the renderer; all but `flush` under its lock.

    def receive(self, key: str, source: Source, wave: Wave) -> bool:
        """Takes a rendered note if it is waited for."""
        if self.job is None or self.job.key != key or source not in self.job.waiting:
            return False
        self.job.waiting.remove(source)
        self.job.rendered += 1
        self.outbox.append(NoteReady(self.job.generation, source, wave))
        self._finish_if_done()
        return True

    def receive_late(self, generation: int, source: Source, wave: Wave) -> bool:
        """Takes a note of a keyboard cancelled meanwhile, as long as the newer one of its pitch is not there."""
        if self.job is None or self.job.generation == generation or source not in self.job.waiting:
            return False
        self.outbox.append(NoteReady(generation, source, wave))
        return True

    def fail(self, key: str, wanted: Sequence[Source], reason: str) -> bool:
        """Cancels the keyboard if one of the notes was waited for."""
        if self.job is None or self.job.key != key or not set(wanted) & set(self.job.waiting):
            return False
        self.job.waiting.clear()
        self.outbox.append(Failed(self.job.generation, reason))
        return True

    def flush(self) -> None:
        """Delivers pending events, in order, without the renderer's lock.

        A thread that comes while another delivers leaves it to that one, which looks again after it has finished.
        """
        while self.outbox and self._delivering.acquire(blocking=False):
            try:
                while (event := self._next_event()) is not None:
                    self._deliver(event)
            except Exception:  # a broken connection must not end the render thread
                with self._renderer.changed:
                    self._renderer.dropped += 1
                self.close()
            finally:
                self._delivering.release()

    def _next_event(self) -> Event | None:
        with self._renderer.changed:
            return self.outbox.popleft() if self.outbox else None

    def _finish_if_done(self) -> None:
        job = self.job
        assert job is not None
        if not job.waiting:
            seconds = round(time.monotonic() - job.started_at, 4)
            self.outbox.append(Finished(job.generation, seconds, job.rendered, job.cached))


# ----------------------------------------------------------------------------
# The renderer


class RenderError(Exception):
    """A note could not be rendered, by no fault of the request."""


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
    """What the thread renders, and for which generation of which client, if for one."""

    key: str
    patch: Patch
    wanted: Sequence[Source]
    client: Client | None = None
    generation: int = 0


class Renderer(AbstractContextManager["Renderer"]):
    """Renders note by note in one thread; live clients alternate, and live and HTTP requests alternate too.

    A rendered note goes to everyone who waits for it and into the cache. Used as a context, or closed explicitly.
    """

    def __init__(self, instrument: Synthesizer, *, cache_bytes: int = CACHE_BYTES, queue: int = QUEUE) -> None:
        self.instrument = instrument
        self.sources = sources(instrument)
        self.cache = Cache(cache_bytes)
        self.clients: deque[Client] = deque()  # the next one to be served stands first
        self.changed = threading.Condition()  # guards everything but the instrument
        self.closed = False
        self.rendered = self.failed = self.dropped = 0
        self._requests: OrderedDict[NoteId, _Request] = OrderedDict()
        self._queue, self._block = queue, 1 if instrument.device.type == "cpu" else BLOCK
        self._live_first = True
        self._thread = threading.Thread(target=self._run, name="renderer", daemon=True)
        self._thread.start()

    def client(self, deliver: Deliver) -> Client:
        """A new client; `deliver` must return quickly, and may be called from any thread."""
        client = Client(self, deliver)
        with self.changed:
            if self.closed:
                raise Busy("The instrument has been closed; start it again.")
            self.clients.append(client)
        return client

    def note(self, patch_key: str, patch: Patch, source: Source, timeout: float) -> Wave:
        """One note (sample,) at the instrument's rate, waited for: for HTTP, which requests one after another.

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

    def warm_up(self) -> None:
        """Renders one note: the first takes longer than all that follow, and whoever plays would wait for it."""
        patch, middle = Patch(), self.sources[len(self.sources) // 2]
        self.note(patch.key(self.instrument.bundle.digest), patch, middle, timeout=300.0)

    def statistics(self) -> dict[str, Any]:
        """How busy it is: notes rendered and cached so far, notes waited for, clients."""
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
        """Ends the thread after the current note; whoever waits for a note gets `Busy`."""
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

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------------
    # The render thread

    def _run(self) -> None:
        while self._render_next():
            pass

    def _render_next(self) -> bool:
        """One task; a method of its own, so that no reference to it is kept while the next is waited for."""
        task = self._next()
        if task is None:
            return False
        try:
            waves = render_sources(self.instrument, task.patch, task.wanted)
            if not np.isfinite(waves).all():
                raise UserError("This sound is out of all bounds; bring its sliders nearer to where they were.")
            served = self._distribute(task, waves)
        except Exception as error:
            served = self._fail(task, error)
        for client in served:
            client.flush()
        return True

    def _next(self) -> _Task | None:
        with self.changed:
            while not self.closed:
                queues = (self._next_live, self._next_request)
                for queue in queues if self._live_first else reversed(queues):
                    task = queue()
                    if task is not None:
                        self._live_first = queue == self._next_request
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

    def _distribute(self, task: _Task, waves: Wave) -> list[Client]:
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

    def _fail(self, task: _Task, error: Exception) -> list[Client]:
        if not isinstance(error, UserError):
            cause = error
            error = RenderError(f"This sound could not be rendered ({type(cause).__name__}: {cause}).")
            error.__cause__ = cause
        with self.changed:
            self.failed += 1
            for source in task.wanted:
                request = self._requests.pop((task.key, source), None)
                if request is not None:
                    request.error = error
                    request.done.set()
            return [client for client in self.clients if client.fail(task.key, task.wanted, str(error))]
