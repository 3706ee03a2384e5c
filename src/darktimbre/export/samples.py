"""Zones → samples as they go into files: rendered by the synthesizer, at the rate wanted, looped, at one gain."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.shape import resample
from darktimbre.export.loops import Loop, bake, find_loop
from darktimbre.export.plan import Plan, Zone
from darktimbre.notes.pitch import midi_to_hz
from darktimbre.synthesizer.keys import render_sources

if TYPE_CHECKING:
    from darktimbre.synthesizer.synthesizer import Synthesizer

HEADROOM = 10.0 ** (-1.0 / 20.0)  # -1 dBFS: players interpolate between samples and may come out above them

Progress = Callable[[int, int], None]
Id = tuple[str, float | None]  # a patch's key and the pitch rendered: equal ids are equal sounds


@dataclass(frozen=True, slots=True)
class Sample:
    """One sound to be written.

    Attributes:
        zone: the first zone that plays it.
        wave: (sample,) at the plan's rate, gain applied, the loop's crossfade in it.
        loop: where it loops, or None.
    """

    zone: Zone
    wave: NDArray[np.float32]
    loop: Loop | None


@dataclass(frozen=True, slots=True)
class Bank:
    """All samples of a plan, without those that would be equal.

    Attributes:
        plan: what was asked for.
        zones: every zone, in order.
        gain: factor between the synthesizer's samples and these.
        rate: of the waves held here, the instrument's own.
        waves: id → as rendered.
        ids: of each zone.
        loops: id → where it loops, at the plan's rate; what is not in it ends by itself.
    """

    plan: Plan
    zones: tuple[Zone, ...]
    gain: float
    rate: int
    waves: dict[Id, NDArray[np.float32]]
    ids: tuple[Id, ...]
    loops: dict[Id, Loop]

    def __iter__(self) -> Iterator[tuple[Id, Sample]]:
        """Each different sound once, in the order of the zones."""
        done: set[Id] = set()
        for zone, name in zip(self.zones, self.ids, strict=True):
            if name not in done:
                done.add(name)
                yield name, self.sample(zone, name)

    def sample(self, zone: Zone, name: Id) -> Sample:
        """The finished sample of a zone."""
        wave = resample(self.waves[name], self.rate, self.plan.rate) * np.float32(self.gain)
        loop = self.loops.get(name)
        return Sample(zone, wave if loop is None else bake(wave, loop, self.plan.rate), loop)


def render(instrument: "Synthesizer", plan: Plan, zones: Sequence[Zone], progress: Progress | None = None) -> Bank:
    """Renders every different sound of the zones once, note by note.

    Args:
        instrument: what plays.
        plan: how.
        zones: from `plan.zones`.
        progress: told how many of how many are rendered.

    Raises:
        UserError: a setting names an attribute the instrument has not.
    """
    digest = instrument.bundle.digest
    keys: dict[int, str] = {}
    ids: list[Id] = []
    for zone in zones:
        key = keys.setdefault(id(zone.patch), zone.patch.key(digest))
        ids.append((key, zone.source))
    needed = dict(reversed(list(zip(ids, zones, strict=True))))  # the first zone of each
    order = list(dict.fromkeys(ids))
    waves: dict[Id, NDArray[np.float32]] = {}
    loops: dict[Id, Loop] = {}
    peak = 0.0
    for count, name in enumerate(order):
        if progress is not None:
            progress(count, len(order))
        wave = render_sources(instrument, needed[name].patch, [name[1]])[0]
        waves[name] = wave
        finished = resample(wave, instrument.sample_rate, plan.rate)
        peak = max(peak, float(np.abs(finished).max(initial=0.0)))
        loop = find_loop(finished, plan.rate, None if name[1] is None else midi_to_hz(name[1])) if plan.loops else None
        if loop is not None:
            loops[name] = loop
    if progress is not None:
        progress(len(order), len(order))
    return Bank(plan, tuple(zones), _gain(peak, plan), instrument.sample_rate, waves, tuple(ids), loops)


def _gain(peak: float, plan: Plan) -> float:
    if peak <= 0.0:
        return 1.0
    return HEADROOM / peak if plan.normalise == "peak" else min(1.0, HEADROOM / peak)
