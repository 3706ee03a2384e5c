"""An instrument of one-shots evaluated by a classifier of real ones: is a sound conditioned on "kick" a kick?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.files import write
from darktimbre.audio.loudness import rms_dbfs
from darktimbre.audio.pictures import spectrogram_grid
from darktimbre.bundle.classifier import NoteClassifier
from darktimbre.corpus.classes import class_of, leaf_of
from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation.examples import file_name
from darktimbre.evaluation.report import PACKAGE
from darktimbre.evaluation.systems import Instrument, refuse_equal_names
from darktimbre.extractors.extract import extract
from darktimbre.extractors.extractors import ClassifierExtractor
from darktimbre.extractors.sources import real_source, round_trip_source
from darktimbre.measures.classes import class_shares, classes_covered
from darktimbre.notes.attributes import BETWEEN, CLASSES, Attributes, is_leaf
from darktimbre.notes.errors import UserError
from darktimbre.notes.text import quoted
from darktimbre.report.estimates import Estimate
from darktimbre.report.tables import Table, column
from darktimbre.report.write import write as write_report
from darktimbre.synthesizer.synthesizer import Synthesizer

ANYTHING = "anything"
STEM = "classes"  # of the files
NOTES, QUICK = 64, 16  # generated for each class and subclass
SHOWN = 4  # generated sounds of each class among the spectrograms, and as files


@dataclass(frozen=True, kw_only=True)
class Row:
    """The figures of a class, or of a subclass."""

    name: str  # "drums" or "drums/kick"; `ANYTHING` where the instrument has no classes
    finest: bool  # nothing lies below it in the tree: a leaf
    held_out: int  # real notes of it that the classifier was not trained on
    real: float | None  # share of these named rightly: a subclass exactly, a class by any of its subclasses
    coded: float | None  # the same after the round trip of the instrument's codec: the upper bound for any network
    generated: float | None  # share of generated ones; None for `ANYTHING`, and for what it knows no name for
    generated_class: float | None  # of a subclass, share of which at least the class is named
    kinds: int  # leaves of the tree with a tenth of an even share or more among what it names
    most: tuple[str, float]  # what it names most often, and how often
    level: float  # mean level of the generated notes, in dB below full scale (root mean square)
    real_level: float | None  # the same of all real ones; None where the corpus has none


@dataclass(frozen=True, kw_only=True)
class OneShots:
    """The figures of an instrument."""

    notes: int  # generated for each row
    rows: tuple[Row, ...]
    leaves: dict[str, float | None]  # means over all leaves that have a figure; how many leaves there are (`rows`)
    proven: dict[str, float | None]  # the same of the leaves with held-out notes, whose accuracy on real ones is known


def is_of_one_shots(attributes: Attributes) -> bool:
    """Whether an instrument is steered by classes, or by nothing at all."""
    return not attributes.pitches and (attributes.teacher == CLASSES or not attributes.names)


def measure_classes(
    synthesizer: Synthesizer, classifier: NoteClassifier, corpus: Corpus, *, notes: int = NOTES, seed: int = 0
) -> tuple[OneShots, dict[str, NDArray[np.float32]]]:
    """Generates notes of every class and subclass, and classifies them beside the corpus's held-out notes.

    Args:
        synthesizer: the instrument.
        classifier: names leaves of the same corpus's class tree.
        corpus: its held-out notes are what is compared with.
        notes: generated for each class and subclass.
        seed: of the generated notes.

    Returns:
        The figures, and the generated sounds (note, sample) of each row by its name.

    Raises:
        UserError: the classifier names something else, or takes other sounds.
    """
    leaves, extractor, every = classifier.families, ClassifierExtractor(classifier), corpus.rows()
    if not set(leaf_of(corpus, every)) & set(leaves) or not leaves:
        raise UserError(
            f"The classifier names {', '.join(leaves) or 'no families'}, none of the classes of {corpus.path}: train "
            f"one with `darktimbre train oneshot-classifier --corpus {quoted(corpus.path)}`."
        )
    if (classifier.sample_rate, classifier.samples) != (synthesizer.sample_rate, synthesizer.samples):
        raise UserError("The classifier takes sounds of another length or rate than the instrument's.")
    rows = np.concatenate([corpus.rows("valid"), corpus.rows("test")])
    real, coded = (
        extract(source, [extractor])[extractor.name]["family"].argmax(axis=1) if len(rows) else rows
        for source in (real_source(corpus, rows), round_trip_source(synthesizer, corpus, rows))
    )
    names = synthesizer.attributes.names or (ANYTHING,)
    found, kept = [], {}
    for name in names:
        above, finer = name.split(BETWEEN)[0], BETWEEN in name
        controls = {one: 1.0 for one in (above, name) if one in names and one != ANYTHING}
        kept[name] = sounds = synthesizer.render(attributes=controls, seed=np.arange(notes) + seed)
        predicted = extractor.extract(sounds, synthesizer.sample_rate)["family"].argmax(axis=1)
        shares = class_shares(predicted, len(leaves))
        of_class = every if name == ANYTHING else every[(leaf_of if finer else class_of)(corpus, every) == name]
        mine = np.isin(rows, of_class) & (name != ANYTHING)
        levels = corpus.column("rms_db")[of_class]
        known = any(name in (leaf, leaf.split(BETWEEN)[0]) for leaf in leaves)
        found.append(
            Row(
                name=name,
                finest=is_leaf(name, names),
                held_out=int(mine.sum()),
                real=_share(leaves, real[mine], name),
                coded=_share(leaves, coded[mine], name),
                generated=_share(leaves, predicted, name) if known else None,
                generated_class=_share(leaves, predicted, above) if finer else None,
                kinds=classes_covered(shares),
                most=(leaves[int(shares.argmax())], float(shares.max())),
                level=float(rms_dbfs(sounds).mean()),
                real_level=float(levels.mean()) if len(levels) else None,
            )
        )
    finest = [row for row in found if row.finest]
    proven = _means([row for row in finest if row.held_out])
    return OneShots(notes=notes, rows=tuple(found), leaves=_means(finest), proven=proven), kept


def _means(rows: Sequence[Row]) -> dict[str, float | None]:
    """Of the shares that rows have, and how many rows these are."""
    shares = ("real", "coded", "generated", "generated_class")
    known = {name: [figure for row in rows if (figure := getattr(row, name)) is not None] for name in shares}
    return {"rows": len(rows), **{name: float(np.mean(each)) if each else None for name, each in known.items()}}


def _share(leaves: tuple[str, ...], predicted: NDArray[np.int64], wanted: str) -> float | None:
    """Share of the leaves predicted (note,) that are the one wanted, or lie in the class wanted."""
    right = np.array([wanted in (leaf, leaf.split(BETWEEN)[0]) for leaf in leaves])
    return float(right[predicted].mean()) if len(predicted) else None


def evaluate_one_shots(
    instruments: Sequence[Instrument],
    corpus: Path,
    out: Path,
    *,
    classifier: Path | None,
    counts: Mapping[str, int],
    quick: bool = False,
    seed: int = 0,
    say: Callable[[str], object] = print,
    warn: Callable[[str], object] = print,
) -> None:
    """Evaluates instruments and writes a table, the figures, spectrograms and sounds into `out`.

    Raises:
        UserError: there is no classifier, or it does not go with the corpus; a count unknown; two of one name.
    """
    if classifier is None:
        raise UserError(
            "One-shots are evaluated by a classifier of their classes: train one with `darktimbre train "
            f"oneshot-classifier --corpus {quoted(corpus)}` and name its bundle with --classifier."
        )
    if unknown := [name for name in counts if name != "notes"]:
        raise UserError(f"One-shots have no count {unknown[0]!r}: --set notes={NOTES} says how many of each class.")
    refuse_equal_names(instruments)
    notes = counts.get("notes", QUICK if quick else NOTES)
    network, real = NoteClassifier.from_pretrained(classifier), Corpus.open(corpus)
    trained_on = (network.config.get("provenance") or {}).get("corpus") or {}
    if trained_on.get("digest") not in (None, real.digest):
        warn(
            f"{classifier} was trained on another corpus than {corpus}: notes that are held out here may be among its "
            "training data, and `real` be too good."
        )
    found: dict[str, OneShots] = {}
    for one in instruments:
        say(f"{one.name}: {notes} sounds of each class")
        found[one.name], sounds = measure_classes(one.synthesizer, network, real, notes=notes, seed=seed)
        _write_sounds(out / one.name, sounds, one.synthesizer.sample_rate, one.name)
    tables = {name: table(file_name(name), one) for name, one in found.items()}
    figures = {name: asdict(one) for name, one in found.items()}
    write_report(out, "one_shots.jinja", figures, package=PACKAGE, figures={}, stem=STEM, tables=tables, notes=notes)
    say((out / f"{STEM}.md").read_text(encoding="utf-8"))
    say(f"The table is in {out / STEM}.html and {STEM}.md; sounds and their spectrograms lie beside it.")


COLUMNS = (
    ("real", "real", 2), ("round trip", "coded", 2), ("generated", "generated", 2), ("its class", "generated_class", 2),
    ("kinds", "kinds", 0), ("dBFS", "level", 0), ("dBFS, real", "real_level", 0),
)  # fmt: skip
"""Heading, attribute of a row, places after the point."""


def table(name: str, found: OneShots) -> Table:
    """The rows, and their means over leaves."""
    means = {"mean of leaves with held-out notes": found.proven, "mean of all leaves": found.leaves}
    means = {title: one for title, one in means.items() if one["generated"] is not None}
    rows = [*map(vars, found.rows), *means.values()]
    figures = [
        column(heading, [Estimate(one.get(key)) for one in rows], decimals=places) for heading, key, places in COLUMNS
    ]
    held_out = [*(one.held_out for one in found.rows), *(f"{one['rows']} leaves" for one in means.values())]
    most = [*(f"{one.most[0]} {one.most[1]:.2f}" for one in found.rows), *("" for _ in means)]
    columns = [column("held out", held_out), *figures, column("mostly named", most, words=True)]
    return Table(name, "class", [*(one.name for one in found.rows), *means], columns)


def _write_sounds(folder: Path, sounds: dict[str, NDArray[np.float32]], rate: int, heading: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    waves, titles = [], []
    for name, each in sounds.items():
        for number, wave in enumerate(each[:SHOWN], start=1):
            write(folder / f"{name.replace('/', ' - ')} {number}.wav", wave, rate)
            waves.append(wave)
            titles.append(name if number == 1 else "")
    spectrogram_grid(waves, rate, titles, folder / "spectrograms.png", columns=2 * SHOWN, heading=heading)
