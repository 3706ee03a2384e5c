"""Renderer → one live player: the keyboard it waits for, and the events that tell it what has come."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from darktimbre.instrument.cache import Source, Wave
from darktimbre.synthesizer.keys import UNPITCHED, nearest_first
from darktimbre.synthesizer.patch import Patch

if TYPE_CHECKING:
    from darktimbre.instrument.renderer import Renderer


class Busy(Exception):
    """There is no room for more work, or the renderer is closed; the sentence says which."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A player's keyboard is on its way: its pitches, nearest first, of which `cached` come at once."""

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
    """The whole keyboard is there, so many seconds after it was asked for."""

    generation: int
    seconds: float
    rendered: int
    cached: int


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing more comes of this generation; one sentence says why."""

    generation: int
    reason: str


Event = NoteReady | Finished | Failed
Deliver = Callable[[Event], None]


@dataclass(slots=True)
class _Keyboard:
    """What one player waits for."""

    generation: int
    key: str
    patch: Patch
    waiting: list[Source]  # nearest first
    began: float
    cached: int
    rendered: int = 0


class Client:
    """One player's connection; made by `Renderer.client`, used as a context or closed by hand.

    Events come one at a time, from the render thread or from the thread that calls `play`. The note that was being
    rendered when a new `play` gave up its keyboard still comes, with the number of its own generation, unless there is
    a newer one of its pitch: so the sound follows a slider that moves faster than notes are rendered.
    """

    def __init__(self, renderer: "Renderer", deliver: Deliver) -> None:
        self._renderer, self._deliver = renderer, deliver
        self.job: _Keyboard | None = None
        self.outbox: deque[Event] = deque()
        self.closed = False
        self._near: float = UNPITCHED
        self._delivering = threading.Lock()

    def play(self, patch: Patch, near: float | None = None, generation: int | None = None) -> Begun:
        """Asks for the whole keyboard of a patch; what an earlier call still waits for is given up.

        Args:
            patch: what to play.
            near: pitch around which to begin; the last one told, if left out.
            generation: number that its events shall bear; one more than the last, if left out.

        Raises:
            UserError: the instrument lacks one of the patch's attributes.
            Busy: client or renderer are closed.
        """
        renderer = self._renderer
        patch.levels(renderer.instrument.attributes)
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
            begun = Begun(generation, tuple(order), self.job.cached)
            self._finish_if_done()
            renderer.changed.notify()
        self.flush()
        return begun

    def near(self, pitch: float) -> None:
        """Where on the keyboard the player is: what still waits is put in a new order."""
        with self._renderer.changed:
            self._near = pitch
            if self.job is not None:
                self.job.waiting = nearest_first(self.job.waiting, pitch)

    def close(self) -> None:
        """Gives up what still waits; the renderer forgets this client."""
        with self._renderer.changed:
            self.closed, self.job = True, None
            self.outbox.clear()
            if self in self._renderer.clients:
                self._renderer.clients.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # The renderer's side; all but `flush` under the renderer's lock.

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
        """Takes a note of a keyboard given up meanwhile, as long as the newer one of its pitch is not there."""
        if self.job is None or self.job.generation == generation or source not in self.job.waiting:
            return False
        self.outbox.append(NoteReady(generation, source, wave))
        return True

    def fail(self, key: str, wanted: Sequence[Source], reason: str) -> bool:
        """Gives up if one of the notes was waited for."""
        if self.job is None or self.job.key != key or not set(wanted) & set(self.job.waiting):
            return False
        self.job.waiting.clear()
        self.outbox.append(Failed(self.job.generation, reason))
        return True

    def flush(self) -> None:
        """Delivers what has been put out, in order, without the renderer's lock.

        Whoever comes while another thread delivers leaves it to that one, which looks again after it has let go.
        """
        while self.outbox and self._delivering.acquire(blocking=False):
            try:
                while (event := self._next_event()) is not None:
                    self._deliver(event)
            except Exception:  # a connection that broke must not take the render thread with it
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
            self.outbox.append(Finished(job.generation, time.monotonic() - job.began, job.rendered, job.cached))
