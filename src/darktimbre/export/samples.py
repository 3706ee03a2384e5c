"""Zones → samples as they go into files: rendered by the synthesizer, at the rate wanted, looped, at one gain."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.shape import resample
from darktimbre.export.loops import Loop, bake, find_loop
from darktimbre.export.plan import Plan, Zone
from darktimbre.notes.pitch import midi_to_hz
from darktimbre.synthesizer.keys import render_sources
from darktimbre.synthesizer.synthesizer import Synthesizer

HEADROOM = 10.0 ** (-1.0 / 20.0)  # -1 dBFS: samplers interpolate between samples and may come out above them
REACH = 2  # semitones, most that a sample which loops is re-pitched to stand in for one that does not

Progress = Callable[[int, int], None]
Id = tuple[str, float | None]  # a patch's key and the pitch rendered: equal ids are equal sounds


@dataclass(frozen=True, slots=True)
class Sample:
    """One sound to be written."""

    zone: Zone  # the first zone that plays it
    wave: NDArray[np.float32]  # (sample,) at the plan's rate, gain applied, the loop's crossfade in it
    loop: Loop | None  # where it loops, or None


@dataclass(frozen=True, slots=True)
class Bank:
    """All samples of a plan, without those that would be equal."""

    plan: Plan  # as requested
    zones: tuple[Zone, ...]  # every zone, in order
    gain: float  # factor between the synthesizer's samples and these
    rate: int  # of the waves held here, the instrument's own
    waves: dict[Id, NDArray[np.float32]]  # id → as rendered
    ids: tuple[Id, ...]  # of each zone
    loops: dict[Id, Loop]  # id → where it loops, at the plan's rate; what is not in it ends by itself

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


def render(instrument: Synthesizer, plan: Plan, zones: Sequence[Zone], progress: Progress | None = None) -> Bank:
    """Renders every different sound of the zones (of `plan.zones`) once, note by note.

    `progress` is called with the number of sounds rendered, and of all. Raises UserError: a setting names an attribute
    the instrument has not.
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


# ----------------------------------------------------------------------------
# On a keyboard of which some keys ring on and others end by themselves nobody can play.


def even(bank: Bank) -> Bank:
    """The bank where each setting loops on all of its keys or on none.

    A setting loops if, in each of its velocity layers, every sample that does not loop has one within `REACH`
    semitones that does; that one then serves its keys. In all other settings no sample loops.
    """
    looping = set(bank.loops)
    while uneven := {name for row in _settings(bank) if not _holds(row, looping) for _, name in row} & looping:
        looping -= uneven  # a sound that two settings share may take the loop from the other one, too
    placed: list[tuple[Zone, Id]] = []
    for row in _settings(bank):
        if not looping.isdisjoint(name for _, name in row):
            row = [zone for layer in _layers(row) for zone in _respanned(layer, looping)]
        placed += row
    ids = tuple(name for _, name in placed)
    return replace(
        bank,
        zones=tuple(zone for zone, _ in placed),
        ids=ids,
        waves={name: wave for name, wave in bank.waves.items() if name in set(ids)},
        loops={name: loop for name, loop in bank.loops.items() if name in looping},
    )


def _settings(bank: Bank) -> Iterator[list[tuple[Zone, Id]]]:
    """The zones of each setting with the ids of their sounds."""
    for _, row in groupby(zip(bank.zones, bank.ids, strict=True), key=lambda one: one[0].setting):
        yield list(row)


def _layers(row: list[tuple[Zone, Id]]) -> Iterator[list[tuple[Zone, Id]]]:
    for _, layer in groupby(row, key=lambda one: one[0].layer):
        yield list(layer)


def _holds(row: list[tuple[Zone, Id]], looping: Collection[Id]) -> bool:
    """Whether every sample of a setting loops, or has one that does within reach in its own layer."""
    for layer in _layers(row):
        roots = [zone.root for zone, name in layer if name in looping]
        if not all(any(abs(zone.root - root) <= REACH for root in roots) for zone, _ in layer):
            return False
    return True


def _respanned(layer: list[tuple[Zone, Id]], looping: Collection[Id]) -> list[tuple[Zone, Id]]:
    """The zones that loop, from low to high, spread over the keys of those that do not."""
    kept = [one for one in layer if one[1] in looping]
    tops = [(here.root + after.root) // 2 for (here, _), (after, _) in pairwise(kept)] + [layer[-1][0].high]
    bottoms = [layer[0][0].low, *(top + 1 for top in tops[:-1])]
    return [
        (replace(zone, low=low, high=high), name) for (zone, name), low, high in zip(kept, bottoms, tops, strict=True)
    ]
