"""The renderer: nearest first, in turns, nothing out of date, nothing twice, nothing without bound; never stuck."""

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from tests.bundle.tiny import tiny_bundle

from darktimbre.instrument.renderer import (
    Busy,
    Client,
    Event,
    Failed,
    Finished,
    NoteReady,
    Renderer,
    RenderError,
    Started,
)
from darktimbre.notes.attributes import Attributes
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.controls import Controls
from darktimbre.synthesizer.keys import nearest_first, render_key
from darktimbre.synthesizer.patch import Patch
from darktimbre.synthesizer.synthesizer import Synthesizer

PITCHES = tuple(range(50, 60))
SAMPLES = 100
LONG = 20.0  # s; only a test that fails waits so long


class Gated:
    """Stands in for an instrument: renders one call for each `allow`, and keeps a list of what was rendered.

    The soft label of a patch is its number; a note holds 100 × that number + its pitch.
    """

    sample_rate, samples, latent_size = 8000, SAMPLES, 8
    bundle = SimpleNamespace(digest="d1" * 32)

    def __init__(self, device: str = "cpu") -> None:
        self.device = SimpleNamespace(type=device)
        self.attributes = Attributes(pitches=PITCHES, names=("Drum",))
        self.controls = Controls(self.attributes, 8, np.zeros(1, np.float32))
        self.calls: list[list[tuple[float, int]]] = []
        self.fault: Callable[[float, int], Exception | None] = lambda number, pitch: None
        self._allowed, self._begun = threading.Semaphore(0), threading.Semaphore(0)

    def waves(self, condition: np.ndarray, latent: np.ndarray, level_db: float | None = None) -> np.ndarray:
        notes = [(round(100 * float(row[-1])), PITCHES[int(np.argmax(row[:-1]))]) for row in condition]
        self.calls.append(notes)
        self._begun.release()
        assert self._allowed.acquire(timeout=LONG)
        for note in notes:
            if (error := self.fault(*note)) is not None:
                raise error
        return np.stack([np.full(SAMPLES, 100 * number + pitch, np.float32) for number, pitch in notes])

    def allow(self, count: int = 1) -> None:
        self._allowed.release(count)

    def wait_begun(self, count: int = 1) -> None:
        """Until the renderer has begun `count` calls more."""
        for _ in range(count):
            assert self._begun.acquire(timeout=LONG)

    @property
    def notes(self) -> list[tuple[float, int]]:
        return [note for call in self.calls for note in call]


class Events:
    """Keeps a client's events; `until` waits for one of a kind."""

    def __init__(self) -> None:
        self.all: list[Event] = []
        self.changed = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self.changed:
            self.all.append(event)
            self.changed.notify_all()

    def until(self, kind: type, generation: int | None = None) -> Event:
        def found() -> Event | None:
            return next(
                (one for one in self.all if isinstance(one, kind) and generation in (None, one.generation)), None
            )

        with self.changed:
            event = self.changed.wait_for(found, timeout=LONG)
            assert event is not None
            return event

    def pitches(self, generation: int | None = None) -> list[float | None]:
        notes = (event for event in self.all if isinstance(event, NoteReady))
        return [note.source for note in notes if generation in (None, note.generation)]


def numbered(number: int) -> Patch:
    return Patch(attributes={"Drum": number / 100})


@pytest.fixture
def instrument() -> Gated:
    return Gated()


@pytest.fixture
def renderer(instrument: Gated) -> Iterator[Renderer]:
    made = Renderer(instrument)  # type: ignore[arg-type]
    yield made
    instrument.allow(10_000)
    made.close()


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(64) as pool:
        yield pool


def client_of(renderer: Renderer) -> tuple[Client, Events]:
    """A client, and its events as they come."""
    events = Events()
    return renderer.client(events), events


def submitted(callers: ThreadPoolExecutor, renderer: Renderer, number: int, pitch: float) -> Future:
    """One HTTP caller, who is waiting when this returns."""
    patch = numbered(number)
    before = renderer.statistics()["http_callers"]
    future = callers.submit(renderer.note, patch.key(Gated.bundle.digest), patch, pitch, LONG)
    while not future.done() and renderer.statistics()["http_callers"] == before:
        pass
    return future


def test_notes_come_nearest_first_and_are_the_rendered_ones(instrument: Gated, renderer: Renderer) -> None:
    client, events = client_of(renderer)
    begun = client.play(numbered(3), near=57)
    order = nearest_first(map(float, PITCHES), 57)
    assert begun == Started(1, tuple(order), 0)
    instrument.allow(len(PITCHES))
    finished = events.until(Finished)
    assert events.pitches() == order
    for event in events.all[:-1]:
        assert isinstance(event, NoteReady)
        np.testing.assert_array_equal(event.wave, np.full(SAMPLES, 300 + event.source, np.float32))
        with pytest.raises(ValueError, match="read-only"):
            event.wave[0] = 1
    assert isinstance(finished, Finished)
    assert (finished.rendered, finished.cached) == (len(PITCHES), 0)
    assert finished.seconds > 0


def test_the_key_last_played_changes_the_order_of_what_is_left(instrument: Gated, renderer: Renderer) -> None:
    client, events = client_of(renderer)
    client.play(numbered(1), near=50)
    instrument.wait_begun()
    client.near(59)
    instrument.allow(len(PITCHES))
    events.until(Finished)
    assert events.pitches() == [50, 59, 58, 57, 56, 55, 54, 53, 52, 51]
    assert client.play(numbered(2)).pitches[0] == 59  # and is remembered


def test_a_new_patch_cancels_what_has_not_begun(instrument: Gated, renderer: Renderer) -> None:
    client, events = client_of(renderer)
    client.play(numbered(1), near=50)
    instrument.wait_begun()
    client.play(numbered(2))
    instrument.allow(1 + len(PITCHES))
    events.until(Finished, 2)
    assert instrument.notes[0] == (1, 50)
    assert [number for number, _ in instrument.notes[1:]] == [2] * len(PITCHES)
    assert events.pitches(1) == [50]  # its newest sound as long as the new one is not there
    assert [event.generation for event in events.all] == [1] + [2] * (len(PITCHES) + 1)
    assert client.play(numbered(1)).cached == 1


def test_a_note_that_comes_late_never_covers_a_newer_one(instrument: Gated, renderer: Renderer) -> None:
    client, events = client_of(renderer)
    client.play(numbered(1), near=50)
    instrument.allow(len(PITCHES))
    events.until(Finished, 1)
    instrument.wait_begun(len(PITCHES))
    client.play(numbered(2))
    instrument.wait_begun()
    client.play(numbered(1), generation=3)  # all cached: the note on its way is older than what is there
    renderer.client(Events()).play(numbered(4))
    instrument.allow(1)
    instrument.wait_begun()  # the next note has begun, so all that came of the last one has been delivered
    assert [event.generation for event in events.all] == [1] * (len(PITCHES) + 1) + [3] * (len(PITCHES) + 1)
    assert client.play(numbered(2), generation=4).cached == 1  # it is kept all the same


def test_a_state_visited_again_comes_at_once_while_others_render(instrument: Gated, renderer: Renderer) -> None:
    events, other = Events(), Events()
    client = renderer.client(events)
    client.play(numbered(1))
    instrument.allow(len(PITCHES))
    events.until(Finished, 1)
    instrument.wait_begun(len(PITCHES))
    renderer.client(other).play(numbered(9))
    instrument.wait_begun()  # the render thread is stuck in somebody else's note
    begun = client.play(numbered(1), near=55, generation=7)
    assert begun.cached == len(PITCHES)
    assert events.pitches(7) == list(begun.pitches)  # there already when `play` returns
    assert events.all[-1] == Finished(7, events.all[-1].seconds, 0, len(PITCHES))  # type: ignore[union-attr]
    assert not other.all


def test_fifty_clients_take_turns_note_by_note(instrument: Gated, renderer: Renderer) -> None:
    logs = [Events() for _ in range(51)]
    clients = [renderer.client(events) for events in logs]
    clients[0].play(numbered(0))
    instrument.wait_begun()
    for number, client in enumerate(clients[1:], start=1):
        client.play(numbered(number), near=54)
    instrument.allow(1 + 51 * len(PITCHES))
    for events in logs:
        events.until(Finished)
    later = instrument.notes[1:]
    for turn in range(len(PITCHES) - 1):
        numbers = [number for number, _ in later[51 * turn : 51 * (turn + 1)]]
        assert sorted(numbers) == list(range(51))
    assert [pitch for number, pitch in later if number == 17] == nearest_first(PITCHES, 54)


def test_scripts_have_every_second_turn(instrument: Gated, renderer: Renderer, callers: ThreadPoolExecutor) -> None:
    for number in range(1, 6):
        renderer.client(Events()).play(numbered(number))
    instrument.wait_begun()
    futures = [submitted(callers, renderer, 20, pitch) for pitch in PITCHES[:5]]
    instrument.allow(11)
    for pitch, future in zip(PITCHES, futures, strict=False):
        assert future.result(LONG)[0] == 2000 + pitch
    instrument.wait_begun(10)
    assert [number == 20 for number, _ in instrument.notes[1:11]] == [True, False] * 5


def test_what_many_request_is_rendered_once(instrument: Gated, renderer: Renderer, callers: ThreadPoolExecutor) -> None:
    logs = [Events() for _ in range(5)]
    for events in logs:
        renderer.client(events).play(numbered(1), near=50)
    instrument.wait_begun()  # the first note is being rendered; some request that one, some the next
    futures = [submitted(callers, renderer, 1, pitch) for pitch in (50, 51) for _ in range(10)]
    instrument.allow(len(PITCHES))
    for events in logs:
        assert isinstance(finished := events.until(Finished), Finished)
        assert finished.rendered == len(PITCHES)
    waves = [future.result(LONG) for future in futures]
    assert [wave[0] for wave in waves] == [150] * 10 + [151] * 10
    assert sorted(instrument.notes) == [(1, pitch) for pitch in PITCHES]


def test_the_queue_for_scripts_is_bounded_and_given_up_places_are_free_again(callers: ThreadPoolExecutor) -> None:
    instrument = Gated()
    with Renderer(instrument, queue=3) as renderer:  # type: ignore[arg-type]
        waiting = [submitted(callers, renderer, 1, pitch) for pitch in PITCHES[:3]]
        instrument.wait_begun()
        with pytest.raises(Busy, match="try again"):
            submitted(callers, renderer, 1, PITCHES[3]).result(LONG)
        again = submitted(callers, renderer, 1, PITCHES[2])  # the same note needs no place of its own
        instrument.allow()
        assert waiting[0].result(LONG)[0] == 150
        patch = numbered(1)
        with pytest.raises(TimeoutError, match=r"within 0\.01 s"):
            renderer.note(patch.key(Gated.bundle.digest), patch, PITCHES[4], 0.01)
        assert renderer.statistics()["waiting_http"] == 2
        instrument.allow(2)
        assert [future.result(LONG)[0] for future in (waiting[1], waiting[2], again)] == [151, 152, 152]
        assert instrument.notes == [(1, pitch) for pitch in PITCHES[:3]]


def test_an_error_reaches_its_client_and_no_other(
    instrument: Gated, renderer: Renderer, callers: ThreadPoolExecutor
) -> None:
    faults = {1: RuntimeError("out of memory"), 2: UserError("This instrument has no such pitch.")}
    instrument.fault = lambda number, pitch: faults.get(int(number))
    logs = {number: Events() for number in (1, 2, 3)}
    clients = {number: renderer.client(events) for number, events in logs.items()}
    for number, client in clients.items():
        client.play(numbered(number))
    futures = [submitted(callers, renderer, number, PITCHES[0]) for number in (1, 1, 2, 3)]
    instrument.allow(1000)
    logs[3].until(Finished)
    assert logs[1].until(Failed) == Failed(1, "This sound could not be rendered (RuntimeError: out of memory).")
    assert logs[2].until(Failed) == Failed(1, "This instrument has no such pitch.")
    assert [len(logs[number].all) for number in (1, 2, 3)] == [1, 1, len(PITCHES) + 1]
    for future, kind in zip(futures, (RenderError, RenderError, UserError), strict=False):
        with pytest.raises(kind):
            future.result(LONG)
    assert futures[3].result(LONG)[0] == 350
    faults.clear()
    clients[1].play(numbered(1))
    logs[1].until(Finished, 2)


def test_waves_that_are_not_finite_are_never_played(instrument: Gated, renderer: Renderer) -> None:
    plain = instrument.waves
    instrument.waves = lambda *given, **more: plain(*given, **more) * np.float32(np.nan)  # type: ignore[method-assign]
    events = Events()
    renderer.client(events).play(numbered(1))
    instrument.allow()
    assert "out of all bounds" in events.until(Failed).reason  # type: ignore[union-attr]
    assert renderer.statistics()["cached_notes"] == 0


def test_unknown_attributes_are_reported_to_the_caller(renderer: Renderer) -> None:
    with pytest.raises(UserError, match="no attribute 'Flute'"):
        renderer.client(Events()).play(Patch(attributes={"Flute": 1.0}))


def test_a_connection_that_breaks_is_dropped_alone(instrument: Gated, renderer: Renderer) -> None:
    def broken(event: Event) -> None:
        raise ConnectionError("gone")

    events = Events()
    renderer.client(broken).play(numbered(1))
    renderer.client(events).play(numbered(2))
    instrument.allow(1000)
    events.until(Finished)
    statistics = renderer.statistics()
    assert (statistics["clients"], statistics["dropped_clients"]) == (1, 1)
    assert [number for number, _ in instrument.notes].count(1) == 1


def test_a_thousand_quick_moves_render_one_keyboard(instrument: Gated, renderer: Renderer) -> None:
    client, events = client_of(renderer)
    client.play(numbered(0), generation=0)
    instrument.wait_begun()
    for move in range(1, 1001):
        client.play(Patch(attributes={"Drum": move / 1000}), generation=move)
        statistics = renderer.statistics()
        assert statistics["waiting_live"] == len(PITCHES)
        assert len(client.outbox) == 0
    instrument.allow(1000)
    events.until(Finished, 1000)
    assert len(instrument.notes) == 1 + len(PITCHES)
    assert [event.generation for event in events.all] == [0] + [1000] * (len(PITCHES) + 1)
    assert renderer.statistics()["cached_notes"] == 1 + len(PITCHES)


def test_the_cache_is_bounded_and_forgets_the_longest_unused(callers: ThreadPoolExecutor) -> None:
    instrument = Gated()
    instrument.allow(10_000)
    limit = 3 * len(PITCHES) * SAMPLES * 4  # three keyboards
    with Renderer(instrument, cache_bytes=limit) as renderer:  # type: ignore[arg-type]
        client, events = client_of(renderer)
        for generation, number in enumerate((1, 2, 3, 1, 4)):
            client.play(numbered(number), generation=generation)
            events.until(Finished, generation)
            assert renderer.statistics()["cached_bytes"] <= limit
        held = {number: client.play(numbered(number), generation=99).cached for number in (1, 4, 2)}
        assert held == {1: len(PITCHES), 4: len(PITCHES), 2: 0}
        client.close()
    with Renderer(instrument, cache_bytes=SAMPLES) as renderer:  # type: ignore[arg-type]
        events = Events()
        renderer.client(events).play(numbered(1))
        events.until(Finished)  # too small for a single note, which is delivered all the same
        assert renderer.statistics()["cached_bytes"] == 0


def test_nobody_waits_for_a_client_that_is_being_delivered_to(instrument: Gated, renderer: Renderer) -> None:
    inside, let_go = threading.Event(), threading.Event()

    def slow(event: Event) -> None:
        inside.set()
        assert let_go.wait(LONG)

    client = renderer.client(slow)
    client.play(numbered(1))
    instrument.allow(1000)
    assert inside.wait(LONG)
    assert renderer.statistics()["rendered"] == 1  # no lock is held
    client.play(numbered(2))
    client.near(50)
    client.close()
    let_go.set()


def test_a_client_may_play_within_its_callback(instrument: Gated, renderer: Renderer) -> None:
    events = Events()

    def replay(event: Event) -> None:
        events(event)
        if isinstance(event, Finished) and event.generation < 3:
            client.play(numbered(1 + event.generation // 2))

    client = renderer.client(replay)
    instrument.allow(1000)
    client.play(numbered(1))
    events.until(Finished, 3)
    assert [event.generation for event in events.all] == sorted(event.generation for event in events.all)
    for generation in (1, 2, 3):
        assert len(events.pitches(generation)) == len(PITCHES)


def test_closing_ends_with_the_note_at_hand(callers: ThreadPoolExecutor) -> None:
    instrument = Gated()
    renderer = Renderer(instrument)  # type: ignore[arg-type]
    client = renderer.client(Events())
    client.play(numbered(1))
    instrument.wait_begun()
    waiting = submitted(callers, renderer, 2, PITCHES[0])
    closing = callers.submit(renderer.close)
    with pytest.raises(Busy, match="closed"):
        waiting.result(LONG)
    instrument.allow(1)
    closing.result(LONG)
    assert len(instrument.notes) == 1
    for refused in (
        lambda: client.play(numbered(1)),
        lambda: renderer.client(Events()),
        lambda: renderer.note("", numbered(1), 50, 1),
    ):
        with pytest.raises(Busy):
            refused()
    renderer.close()


def test_closed_clients_are_forgotten(instrument: Gated, renderer: Renderer) -> None:
    def come_and_go() -> list[weakref.ref]:
        gone: list[weakref.ref] = []
        for number in range(20):
            events = Events()
            client: Client = renderer.client(events)
            client.play(numbered(number))
            client.close()
            gone += [weakref.ref(client), weakref.ref(events)]
        return gone

    gone = come_and_go()
    events = Events()
    renderer.client(events).play(numbered(50))  # the thread has let go of its last task when it has served this one
    instrument.allow(1000)
    events.until(Finished)
    gc.collect()
    assert [one() for one in gone] == [None] * len(gone)
    statistics = renderer.statistics()
    assert (statistics["clients"], statistics["waiting_live"], statistics["waiting_http"]) == (1, 0, 0)


def test_an_accelerator_takes_whole_blocks() -> None:
    instrument = Gated("cuda")
    instrument.allow(1000)
    with Renderer(instrument) as renderer:  # type: ignore[arg-type]
        events = Events()
        renderer.client(events).play(numbered(1), near=55)
        events.until(Finished)
        assert len(instrument.calls) == 1
        assert [pitch for _, pitch in instrument.notes] == nearest_first(PITCHES, 55) == events.pitches()
        assert renderer.statistics()["cached_bytes"] == len(PITCHES) * SAMPLES * 4
        note = renderer.note(numbered(1).key(Gated.bundle.digest), numbered(1), 50.0, LONG)
        assert note.base is None  # else it would keep the whole block in memory


@pytest.mark.parametrize("pitched", [True, False])
def test_a_real_instrument_sounds_as_without_the_renderer(pitched: bool) -> None:
    instrument = Synthesizer(tiny_bundle(pitched=pitched))
    patch = Patch(attributes={"drum": 1.5}, seed=6, pad=(0.1, 0.2))
    with Renderer(instrument) as renderer:
        events = Events()
        renderer.client(events).play(patch)
        events.until(Finished)
        for event in events.all[:-1]:
            assert isinstance(event, NoteReady)
            midi = 60 if event.source is None else round(event.source)
            np.testing.assert_array_equal(event.wave, render_key(instrument, patch, midi))
            again = renderer.note(patch.key(instrument.bundle.digest), patch, event.source, LONG)
            assert again is event.wave
