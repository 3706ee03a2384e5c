"""The clock: what it measures is the instrument's own work, the parts add up, and the instrument is left as it was."""

import time

import numpy as np
import pytest
import torch
from tests.bundle.tiny import tiny_autoencoder, tiny_bundle

from darktimbre.synthesizer import timing
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.synthesizer.timing import measure


def test_parts_add_up_to_no_more_than_the_whole() -> None:
    synthesizer = Synthesizer(tiny_bundle())
    found = measure(synthesizer, 5)
    assert found.network > 0
    assert found.inversion > 0
    assert found.network + found.inversion <= found.total


def test_encoding_is_measured_beside_the_note_where_there_is_an_encoder() -> None:
    assert measure(Synthesizer(tiny_bundle()), 1).encoding == 0
    coder = Synthesizer(tiny_autoencoder())
    coder.encode(np.ones(coder.samples))  # builds it
    coder._encoder.register_forward_pre_hook(lambda *_: time.sleep(0.1))
    found = measure(coder, 3, batch=2)
    assert found.encoding >= 0.05  # of two notes at once
    assert found.total < found.encoding


def test_time_is_put_down_to_what_took_it(monkeypatch: pytest.MonkeyPatch) -> None:
    synthesizer = Synthesizer(tiny_bundle())
    decode = synthesizer.codec.decode

    def slow(*given: torch.Tensor) -> torch.Tensor:
        time.sleep(0.05)
        return decode(*given)

    monkeypatch.setattr(synthesizer.codec, "decode", slow)
    found = measure(synthesizer, 3)
    assert found.inversion >= 0.05
    assert found.network < found.inversion
    handle = synthesizer.network.register_forward_pre_hook(lambda *_: time.sleep(0.1))
    found = measure(synthesizer, 3)
    handle.remove()
    assert found.network >= 0.1
    assert 0.05 <= found.inversion < found.network


def test_one_note_is_rendered_at_a_time_after_a_warm_up_and_the_instrument_stays_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    synthesizer = Synthesizer(tiny_bundle())
    before, kept = synthesizer.render(seed=3), dict(vars(synthesizer))
    calls: list[tuple[int, int]] = []
    original = Synthesizer.render

    def render(self, *arguments, **settings):
        calls.append((settings["seed"], settings["batch_size"]))
        return original(self, *arguments, **settings)

    monkeypatch.setattr(Synthesizer, "render", render)
    measure(synthesizer, 4)
    monkeypatch.undo()
    assert calls == [(seed, 1) for seed in range(timing.WARM_UP + 4)]
    assert vars(synthesizer) == kept
    assert "decode" not in vars(synthesizer.codec)
    assert np.array_equal(synthesizer.render(seed=3), before)


def test_the_whole_is_the_median(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that ticks once a reading and one note that takes long, the slow note is not what is reported."""
    synthesizer, ticks = Synthesizer(tiny_bundle()), iter(range(10_000))
    waits = {timing.WARM_UP + 1: 1000.0}
    late = 0.0
    original = Synthesizer.render

    def render(self, *arguments, **settings):
        nonlocal late
        late += waits.get(settings["seed"], 0.0)
        return original(self, *arguments, **settings)

    monkeypatch.setattr(Synthesizer, "render", render)
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(ticks) + late)
    found = measure(synthesizer, 5)
    assert (found.total, found.network, found.inversion) == (5.0, 1.0, 1.0)
