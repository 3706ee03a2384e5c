"""Figures and latents of autoencoders → `latents.md`, `.html` and `.json`, their pictures, and the page to turn."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from darktimbre.evaluation import latent_pictures
from darktimbre.evaluation.autoencoders import (
    Autoencoder,
    StyledNotes,
    conditions,
    conditions_of,
    decibels,
    encoded,
    known_pitches,
)
from darktimbre.evaluation.examples import SoundFolder
from darktimbre.evaluation.latent_figures import Accuracy, InversionFigures, LatentFigures
from darktimbre.evaluation.latent_page import write_page
from darktimbre.evaluation.latent_pictures import Cloud
from darktimbre.evaluation.latents import LatentStudy
from darktimbre.evaluation.report import PACKAGE
from darktimbre.evaluation.report import sounds as sounds_of
from darktimbre.notes.pitch import note_name
from darktimbre.report.estimates import MISSING, Better, Estimate
from darktimbre.report.tables import Column, Table, column, ranked
from darktimbre.report.write import write as write_report

STEM = "latents"  # of the files
PAGE = "scatter.html"
SHOWN = 8  # reconstructions drawn
SOUNDS = 4  # notes to listen to


class Figure(NamedTuple):
    """A figure of `LatentFigures.estimates`: its key, heading, whether higher is better (0: neither), places."""

    key: str
    heading: str
    better: Better | int
    decimals: int | None = 2


LATENT = (
    Figure("leakage_style", "leakage of style", -1), Figure("leakage_style_held_out", "of style, held-out notes", -1),
    Figure("leakage_octave", "octave", 0), Figure("leakage_semitone", "semitone", 0),
    Figure("rank", "effective rank", 1), Figure("prior", "distance to the prior", -1),
)  # fmt: skip
COPIES = (
    Figure("distance", "log-spectral distance, dB", -1, 1), Figure("partials", "partials kept", 1),
    Figure("tremolo", "tremolo kept", 1), Figure("tremolo_ratio", "depth of tremolo, output over input", 0),
    Figure("vibrato", "vibrato kept", 1), Figure("level_modulation", "modulation of the whole, output over input", 0),
    Figure("level_modulation_prior", "the same of prior samples", 0),
)  # fmt: skip
SAMPLES = tuple(
    Figure(f"{where}_{what}", f"{what}, {heading}", 1)
    for where, heading in (("common", "common octaves"), ("own", "own range"), ("full", "any pitch"))
    for what in ("style", "semitone", "octave")
)
STYLES = (
    Figure("swap_style", "new style", 1), Figure("swap_stayed", "old style", -1), Figure("swap_pitch", "pitch kept", 1),
    Figure("swap_tuned", "in tune", 1), Figure("swap_nearer", "nearer to the new style", 1),
    Figure("swap_nearer_spectrum", "the same by spectrum", 1), Figure("spearman", "mixing: rank correlation", 1),
    Figure("monotone", "every step rises", 1), Figure("fad_prior", "FAD", -1),
)  # fmt: skip


def figures_table(
    name: str, rows: Sequence[tuple[str, Mapping[str, Estimate]]], figures: Sequence[Figure], corner: str = "model"
) -> Table:
    """A row a model, a column for each figure that some of them have, the best marked."""
    columns = []
    for one in figures:
        values = [found.get(one.key, MISSING) for _, found in rows]
        if not any(value.known for value in values):
            continue
        arrow = {1: "\u00a0↑", -1: "\u00a0↓"}.get(one.better, "")
        if one.better in (1, -1):
            cells = ranked(values, 1 if one.better == 1 else -1, [True] * len(values), one.decimals)
            columns.append(Column(f"{one.heading}{arrow}", cells))
        else:
            columns.append(column(one.heading, values, decimals=one.decimals))
    return Table(name, corner, [title for title, _ in rows], columns)


def accuracy_table(name: str, accuracy: Sequence[Accuracy]) -> Table:
    """Accuracies on real notes and on samples, set by set, not divided by A*."""
    keys = ("style", "semitone", "octave", "pitch", "tuned")
    headings = ("style", "semitone", "octave", "both", "in tune (YIN)")
    columns = [column("notes", [one.notes for one in accuracy])]
    columns += [
        column(heading, [getattr(one, key) for one in accuracy], decimals=2)
        for key, heading in zip(keys, headings, strict=True)
    ]
    return Table(name, "sounds", [one.among for one in accuracy], columns)


def leakage_table(name: str, every: Sequence[LatentFigures]) -> Table:
    """What each probe finds in the latents of which notes."""
    rows = [(found.name, one) for found in every for one in found.leakage]
    columns = [
        column("notes", [one.notes for _, one in rows]),
        column("classes", [one.classes for _, one in rows]),
        column("perceptron", [one.mlp for _, one in rows], decimals=2),
        column("neighbours", [one.neighbours for _, one in rows], decimals=2),
        column("left out", [one.left_out for _, one in rows]),
    ]
    return Table(
        name, "of, among", [f"{one.of}, {one.among}" for _, one in rows], columns, [title for title, _ in rows]
    )  # fmt: skip


def inversion_table(name: str, found: Sequence[InversionFigures]) -> Table:
    """Ways from magnitudes to sound."""
    columns = [
        column("ms a note", [one.milliseconds for one in found]),
        column("real: convergence, dB", [one.convergence for one in found], decimals=1),
        column("real: log-spectral distance, dB", [one.distance for one in found], decimals=1),
        column("generated: log-spectral distance, dB", [one.generated_distance for one in found], decimals=1),
        column("generated: in tune", [one.tuned for one in found], decimals=2),
        column("generated: FAD", [Estimate(one.fad) for one in found], decimals=1),
    ]
    return Table(name, "inversion", [one.name for one in found], columns)


# ── pictures ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def copied(
    models: Sequence[Autoencoder], notes: StyledNotes, count: int = SHOWN, seed: int = 0
) -> list[tuple[str, list[Any]]]:
    """For `latent_pictures.reconstructions`: some notes of different styles, and what each model makes of them."""
    usable = np.all([known_pitches(one.attributes, notes.pitch) for one in models], axis=0) & (notes.style >= 0)
    chosen = notes.where(usable).some(count, seed)
    columns = []
    levels: list[list[Any]] = [
        list(decibels(models[0].codec, encoded(models[0].codec, chosen.waves(models[0].peak_db))))
    ]
    for one in models:
        made = one.spectrograms(one.encode(chosen.waves(one.peak_db)), conditions(one.attributes, chosen))
        levels.append(list(decibels(one.codec, made)[:, :, : levels[0][0].shape[1]]))
    for place, (style, pitch) in enumerate(zip(chosen.style, chosen.pitch, strict=True)):
        name = f"{chosen.styles[style]}, {note_name(int(pitch))}" if pitch >= 0 else chosen.styles[style]
        columns.append((name, [row[place] for row in levels]))
    return columns


def drawings(
    models: Sequence[Autoencoder], clouds: Sequence[Cloud], held_out: StyledNotes, *, seed: int = 0
) -> dict[str, Any]:
    """What draws the pictures of a report, by name."""
    codec = models[0].codec
    pairs = copied(models, held_out, seed=seed)
    rows = ["note", *(one.name for one in models)]
    return {
        "t-sne": partial(latent_pictures.panels, clouds, plane=True, seed=seed),
        "latents": partial(latent_pictures.panels, clouds, plane=False, seed=seed),
        "reconstructions": partial(
            latent_pictures.reconstructions, pairs, rows, seconds=codec.samples / codec.sample_rate,
            top_hz=codec.sample_rate / 2,
        ),
    }  # fmt: skip


def cloud_of(model: Autoencoder, study: LatentStudy, found: LatentFigures) -> Cloud:
    """The latents of as many notes as are drawn, with the leakage that was measured."""
    notes = study.notes.some(min(study.counts.latents, latent_pictures.DRAWN), study.seed)
    return Cloud(model.name, notes, study.latents(model, notes), found.leakage)


def examples(models: Sequence[Autoencoder], study: LatentStudy, folder: Path) -> dict[str, Any]:
    """Sounds of a report, written below its folder: held-out notes, what each model makes of their latents, the same in
    another style, and half of each; for the macro `sounds`."""
    source, target = study.swap_pairs
    source = source.where(np.all([known_pitches(one.attributes, source.pitch) for one in models], axis=0))
    if not len(source):
        return {}
    chosen = source.some(SOUNDS, study.seed)
    kept = SoundFolder(folder, study.notes.corpus.sample_rate)
    places = np.searchsorted(study.swap_pairs[0].rows, chosen.rows)
    other = target[places]
    groups = [f"{chosen.styles[s]}, {note_name(int(p))}" for s, p in zip(chosen.style, chosen.pitch, strict=True)]
    every = [("the note", one) for one in kept.write("notes", chosen.waves(-1.0), groups)]
    for model in models:
        latent = model.encode(chosen.waves(model.peak_db))
        versions = [("reconstruction", chosen.values)]
        if model.attributes.names:
            swapped = study.style_values[other]
            versions += [("as", swapped), ("half of each:", np.asarray((chosen.values + swapped) / 2, np.float32))]
        for label, values in versions:
            condition = conditions_of(model.attributes, study.notes.names, values, chosen.pitch)
            sounds = kept.write(
                f"{model.name} {label}", model.waves(latent, condition), groups, [model.name] * len(groups)
            )  # fmt: skip
            names = [f"{label} {chosen.styles[one]}" if label != "reconstruction" else label for one in other]
            every += list(zip(names, sounds, strict=True))
    return sounds_of(every)


# ── the report ────────────────────────────────────────────────────────────────────────────────────────────────────────


def write(
    found: Sequence[LatentFigures],
    models: Sequence[Autoencoder],
    clouds: Sequence[Cloud],
    study: LatentStudy,
    folder: Path,
    *,
    animations: Sequence[str] = (),
) -> None:
    """Writes the report of some models, and the page to turn their latents in.

    Args:
        found, models, clouds: of each model.
        study: that measured them.
        folder: made if need be.
        animations: names of files in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_page(clouds, folder / PAGE, title=f"Latents of {study.notes.corpus.name}", seed=study.seed)
    rows = [(one.name, one.estimates()) for one in found]
    write_report(
        folder, "latents.jinja", {one.name: one.to_json() for one in found}, package=PACKAGE, stem=STEM,
        figures=drawings(models, clouds, study.held_out, seed=study.seed), page=PAGE, animations=list(animations),
        latent=figures_table("latent", rows, LATENT), copies=figures_table("copies", rows, COPIES),
        samples=figures_table("samples", rows, SAMPLES), styles=figures_table("styles", rows, STYLES),
        leakage=leakage_table("leakage", found), accuracies=[
            (one.name, accuracy_table(f"accuracy-{n}", one.accuracy)) for n, one in enumerate(found) if one.accuracy
        ],
        inversions=[
            (one.name, inversion_table(f"inversions-{n}", one.inversions))
            for n, one in enumerate(found) if one.inversions
        ],
        warnings=list(dict.fromkeys(text for one in found for text in one.warnings)), split=study.split,
        octaves=", ".join(map(str, study.octaves)), evaluated=bool(study.evaluators),
        models=[f"{one.name}: {one.latent}" for one in found], sounds=examples(models, study, folder),
    )  # fmt: skip
