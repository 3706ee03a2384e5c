"""`darktimbre dissect words`: edits that add words, each tested on held-out notes; those kept become sliders."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from darktimbre.audio.atomic import atomic_file
from darktimbre.bundle.edits import shifts
from darktimbre.bundle.where import EDITS, find
from darktimbre.dissection import words
from darktimbre.dissection.effects import Notes, activations, rendered
from darktimbre.dissection.subject import column, generator_of
from darktimbre.dissection.words import Tried
from darktimbre.extractors.described import Described, Describer, Floats, in_tune, levelled, plain_of
from darktimbre.measures.interval import bootstrap_mean
from darktimbre.notes.errors import UserError
from darktimbre.pipelines.dissect import Workplace
from darktimbre.pipelines.dissect_cache import Cells
from darktimbre.pipelines.steps import Reporter
from darktimbre.report import cards
from darktimbre.synthesizer.synthesizer import Synthesizer

PARTS = ("labels", "embedding", "evaluator", "plain")  # of `Described`
SOUGHT, HELD = 192, 64  # notes that directions are sought on, and that edits are tested on
PLAYED = 2  # notes of each word on the page
ABOUT = (
    "A shift of hidden activations, optimised for its effect on a word of the teacher, and then tested: on notes of "
    "instruments that were held out, by a second network that the search never saw. Refused ones are shown too."
)


@dataclass(frozen=True)
class Trial:
    """The notes, and what measures edits of some layers on them."""

    instrument: Synthesizer
    layers: dict[str, int]  # units of each
    notes: Notes
    describer: Describer
    cells: Cells

    def played(self, notes: Notes, direction: tuple[float, ...] | None) -> Floats:
        """The notes (note, sample) with a direction, or as they are."""
        edits = () if direction is None else shifts(list(self.layers), direction, self.layers)
        return rendered(self.instrument, notes, edits)

    @cached_property
    def plain(self) -> Floats:
        """The notes as they are."""
        return self.played(self.notes, None)

    def in_tune(self, notes: Notes, direction: tuple[float, ...]) -> tuple[float, ...]:
        """The direction at the largest amount that loses few notes' pitch; the smallest where all lose more."""
        rate = self.instrument.sample_rate

        def share(along: tuple[float, ...] | None) -> float:
            return in_tune(plain_of(self.played(notes, along), notes.midi, rate))

        least = share(None) - words.OUT_OF_TUNE / 2
        for amount in words.AMOUNTS:
            scaled = tuple(amount * one for one in direction)
            if share(scaled) >= least:
                break
        return scaled

    def predicted(self, direction: tuple[float, ...]) -> Floats:
        """The labels (note, label) by the evaluator alone; its embedding is kept, which serves any words."""
        evaluator = self.describer.evaluator
        assert evaluator is not None

        def make() -> dict[str, torch.Tensor]:
            waves = levelled(self.played(self.notes, direction), self.plain)
            return {"embedding": torch.from_numpy(evaluator(waves))}

        kept = self.cells.cell(_key(direction), make)
        return self.describer.predict(kept["embedding"].numpy())

    def described(self, direction: tuple[float, ...] | None) -> Described:
        """The notes with a direction or without, kept by what it is."""

        def make() -> dict[str, torch.Tensor]:
            waves = self.plain if direction is None else self.played(self.notes, direction)
            found = self.describer.describe(waves, self.notes.midi, like=self.plain)
            return {part: torch.from_numpy(np.ascontiguousarray(getattr(found, part))) for part in PARTS}

        cell = self.cells.cell(_key(direction, *self.describer.names), make)
        return Described(**{part: cell[part].numpy() for part in PARTS})


def dissect_words(
    bundle: str, corpus: Path, out: Path, reporter: Reporter, *,
    wanted: Sequence[str], layer: str = "", directions: int = 0, keep: bool = False, teacher: str | None = None,
    classifier: Path | None = None, quick: bool = False, seed: int = 0,
) -> list[Tried]:  # fmt: skip
    """Writes the page into `out`, and where edits pass the bundle with them into `out/bundle`; with `keep` the edits
    alone into the bundle's own folder.

    Raises:
        UserError: an unknown word or layer, a word that is a slider already, or no second network to test with.
    """
    work = Workplace.open(bundle, corpus, teacher, classifier, seed)
    made = work.instrument.bundle
    asked = list(dict.fromkeys(work.tags.labels[column(name, work.tags.labels)] for name in wanted))
    if taken := [name for name in asked if name in made.attributes.names]:
        raise UserError(f"{taken[0]!r} is a slider of this instrument already: leave it out.")
    if not asked and not directions:
        raise UserError('Name words, as in --words "Bagpipes,Choir", or ask for --directions.')
    if layer and layer not in made.editable:
        raise UserError(f"The layer {layer!r} cannot be edited; those that can be are {', '.join(made.editable)}.")
    layers = {layer: made.editable[layer]} if layer else made.editable
    instrument, size, names = Synthesizer(made.with_edits(())), sum(layers.values()), tuple(layers)
    train, held = work.notes(("train",), 16 if quick else SOUGHT), work.notes(("valid", "test"), 16 if quick else HELD)
    cells = Cells(out / "cache", "words", *work.digests, *layers, len(held))
    describer = work.describer(list(dict.fromkeys([*asked, *work.labels()])), cells, evaluator=True)
    trial = Trial(instrument, layers, held, describer, cells)
    random = words.random_directions(size, 4 if quick else words.RANDOM, seed=seed)
    subject = generator_of(instrument, work.tagger)
    sought = _key(words.SETTINGS)
    active = np.concatenate(list(activations(subject.network, train, list(layers)).values()), 1)
    principal = words.principal(active, directions)
    total = 1 + len(random) + 2 * len(asked) + len(principal)
    results: list[Tried] = []
    with reporter.progress("testing directions", unit="directions") as update:
        before, chance = trial.described(None), []
        for number, one in enumerate(random):
            chance.append(trial.predicted(one))
            update(number + 2, total)
        for number, word in enumerate(asked):
            spread = float(work.spread[column(word, work.tags.labels)])

            def make(word: str = word, spread: float = spread) -> dict[str, torch.Tensor]:
                along = words.sought(subject, layers, train, word, spread, seed=seed)
                return {"along": torch.tensor(trial.in_tune(train.first(HELD), along))}

            place = column(word, work.tags.labels)
            along = tuple(cells.cell(f"direction-{place}-{len(train)}-{sought}", make)["along"].tolist())
            results.append(words.tried(word, names, along, word, describer, before, trial.described(along), chance))
            update(1 + len(random) + 2 * (number + 1), total)
        for number, along in enumerate(principal):
            after = trial.described(along)
            word = largest(describer, before, after)
            name = f"{word} (direction {number // 2 + 1}{'+-'[number % 2]})"
            results.append(words.tried(name, names, along, word, describer, before, after, chance))
            update(total - len(principal) + number + 1, total)
    if quick:
        results = [replace(one, refusal="with --quick nothing is kept: too few notes") for one in results]
    for done in results:
        reporter.say(f"{done.name}: kept." if done.refused is None else f"{done.name}: refused, {done.refused}.")
    page = _write(trial, results, bundle, out)
    _store(trial, [one for one in results if one.refused is None], bundle, out, reporter, keep, work)
    reporter.say(f"The page is {page}.")
    return results


def _key(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def largest(describer: Describer, before: Described, after: Described) -> str:
    """The label that an edit raises most by the evaluator, of those that the evaluator knows."""
    change = (after.evaluator - before.evaluator).mean(0)
    return describer.names[int(np.argmax(np.where(describer.trust >= words.TRUSTED, change, -np.inf)))]


def _store(
    trial: Trial, kept: Sequence[Tried], bundle: str, out: Path, reporter: Reporter, keep: bool, work: Workplace
) -> None:
    """Writes what is kept beside the bundle's other edits, whole or not at all."""
    if not kept:
        if not keep:
            shutil.rmtree(out / "bundle", ignore_errors=True)  # of an earlier run, whose page this one replaces
        reporter.say("No edit passed, so no slider is added.")
        return
    made, names = work.instrument.bundle, {one.name for one in kept}
    edited = made.with_edits([*(one for one in made.edits if one.name not in names), *(one.kept() for one in kept)])
    target = find(bundle) if keep else out / "bundle"
    if keep:
        with atomic_file(target / EDITS) as temporary:
            temporary.write_bytes(save(edited.edit_tensors()))
        edited.save_card(target)  # which lists them
    else:
        edited.save_pretrained(target)
    reporter.say(f"New sliders: {len(kept)}, in `darktimbre play {target}`.")


# ── the page ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _write(trial: Trial, results: Sequence[Tried], bundle: str, out: Path) -> Path:
    items = [_item(trial, one) for one in results]
    rows = [
        ["word", "moved", "by the teacher", "share of notes", "best random", "lost in tune", "evaluator knows it",
         "verdict"],
    ]  # fmt: skip
    rows += [
        [
            one.name, f"{one.moved.mean():+.2f}", f"{one.by_teacher:+.2f}", f"{one.share:.0%}",
            f"{one.random.max():+.2f}", f"{100 * one.lost:+.1f} points", f"{one.trust:.2f}",
            "kept" if one.refused is None else f"refused: {one.refused}",
        ]
        for one in results
    ]  # fmt: skip
    sections = [
        cards.Section("Verdicts", f"On {len(trial.notes)} held-out notes, in deviations.", table=rows),
        cards.Section("Words", "Each note as it is, and with the edit at 1.", items),
    ]
    data = {"layers": list(trial.layers), "notes": len(trial.notes), "words": [_figures(one) for one in results]}
    return cards.write(out, f"Words of {bundle}", ABOUT, sections, data)


def _figures(one: Tried) -> dict[str, Any]:
    figures = {"moved": float(one.moved.mean()), "by_teacher": one.by_teacher, "share": one.share}
    figures |= {"best_random": float(one.random.max()), "lost_in_tune": one.lost, "trust": one.trust}
    return {"name": one.name, "refused": one.refused, "also": list(one.also), **figures, "beside": one.beside}


def _item(trial: Trial, one: Tried) -> cards.Item:
    notes, rate = trial.notes.first(PLAYED), trial.instrument.sample_rate
    plain, edited = (trial.played(notes, d) for d in (None, one.direction))
    low, high = bootstrap_mean(one.moved, trial.notes.groups)[1:]
    bars = [cards.Bar("the word, by the evaluator", float(one.moved.mean()), low, high)]
    bars += [cards.Bar("the word, by the teacher", one.by_teacher), cards.Bar("best random", float(one.random.max()))]
    bars += [cards.Bar(name, value) for name, value in one.beside.items()]
    pairs = [cards.Sound(f"note {n + 1}{how}", waves[n], rate) for n in range(len(notes))
             for how, waves in ((" as it is", plain), (" with the edit", edited))]  # fmt: skip
    verdict = "kept" if one.refused is None else f"refused: {one.refused}"
    also = f"; also {', '.join(one.also)}" if one.also else ""
    return cards.Item(one.name, verdict + also, bars, pairs, [pair.picture for pair in pairs[:2]])
