"""`darktimbre evaluate` of instruments that are steered by classes: how often a kick that is asked for is one."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from darktimbre.evaluation.one_shots import OneShots
    from darktimbre.evaluation.pairing import Instrument

TABLE, FIGURES = "classes.md", "classes.json"
NOTES, QUICK = 64, 16  # generated for each class and subclass
SHOWN = 4  # generated sounds of each class in the picture, and as files
HEAD = ("asked for", "held out", "real", "coded", "generated", "its class", "kinds", "mostly named", "dBFS (real)")
LEGEND = (
    "held out: real notes the classifier did not learn from; real: how often it names them rightly; coded: the same "
    "after the instrument's picture and back; generated, its class: how often what was asked for, or at least the "
    "class above it, is named; kinds: leaves with a tenth of an even share or more. Leaves without held-out notes are "
    "named by a classifier of which nobody knows how well it knows them."
)


def evaluate_one_shots(
    instruments: "Sequence[Instrument]",
    corpus: Path,
    out: Path,
    *,
    classifier: Path | None,
    counts: dict[str, int],
    quick: bool,
    seed: int,
) -> None:
    """Judges instruments and writes a table, the figures, pictures and sounds into `out`.

    Raises:
        UserError: there is no classifier, or it does not go with the corpus; a count that is not there.
    """
    from darktimbre.audio.atomic import atomic_file
    from darktimbre.bundle.classifier import Classifier
    from darktimbre.cli.console import caution, say
    from darktimbre.corpus.corpus import Corpus
    from darktimbre.evaluation.one_shots import judge
    from darktimbre.notes.errors import UserError

    if classifier is None:
        raise UserError(
            "One-shots are judged by a classifier of their classes: train one with `darktimbre train "
            f"oneshot-classifier --corpus {corpus}` and name its bundle with --classifier."
        )
    if unknown := [name for name in counts if name != "notes"]:
        raise UserError(f"One-shots have no count {unknown[0]!r}: --set notes={NOTES} says how many of each class.")
    notes = counts.get("notes", QUICK if quick else NOTES)
    judges, notes_of = Classifier.from_pretrained(classifier), Corpus.open(corpus)
    learnt_from = (judges.config.get("provenance") or {}).get("corpus") or {}
    if learnt_from.get("digest") not in (None, notes_of.digest):
        caution(
            f"{classifier} learnt from another corpus than {corpus}: it may have heard what is held out here, and "
            "`real` be too good."
        )
    out.mkdir(parents=True, exist_ok=True)
    told, figures = [], {}
    for one in instruments:
        say(f"{one.name}: {notes} sounds of each class")
        found, sounds = judge(one.synthesizer, judges, notes_of, notes=notes, seed=seed)
        figures[one.name] = asdict(found)
        told.append(f"## {one.name}\n\n{table(found)}\n")
        _write_sounds(out / one.name, sounds, one.synthesizer.sample_rate, one.name)
    text = f"# One-shots by class\n\n{LEGEND}\n\n" + "\n".join(told)
    for name, content in ((TABLE, text), (FIGURES, json.dumps(figures, indent=1, ensure_ascii=False) + "\n")):
        with atomic_file(out / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
    say("\n".join(told))
    say(f"The table is in {out / TABLE}; sounds and their pictures lie beside it.")


def table(found: "OneShots") -> str:
    """The rows as Markdown, and their means over leaves."""
    lines = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    for row in found.rows:
        most, often = row.most
        levels = f"{row.level:.0f}" + ("" if row.real_level is None else f" ({row.real_level:.0f})")
        cells = (
            row.name, str(row.held_out), _share(row.real), _share(row.coded), _share(row.generated),
            _share(row.generated_class), str(row.kinds), f"{most} {_share(often)}", levels,
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    for title, mean in (("mean of leaves with held-out notes", found.proven), ("mean of all leaves", found.leaves)):
        if mean.generated is not None:
            figures = (mean.real, mean.coded, mean.generated, mean.generated_class)
            lines.append(f"| **{title}** | {mean.rows} leaves | {' | '.join(map(_share, figures))} | | | |")
    return "\n".join([*lines, "", f"{found.notes} generated sounds a row."])


def _share(figure: float | None) -> str:
    return "" if figure is None else f"{figure:.2f}"


def _write_sounds(folder: Path, made: "dict[str, NDArray[np.float32]]", rate: int, heading: str) -> None:
    from darktimbre.audio.files import write
    from darktimbre.audio.pictures import spectrogram_grid

    folder.mkdir(parents=True, exist_ok=True)
    waves, titles = [], []
    for name, sounds in made.items():
        for number, wave in enumerate(sounds[:SHOWN]):
            write(folder / f"{name.replace('/', ' - ')} {number + 1}.wav", wave, rate)
            waves.append(wave)
            titles.append(name if number == 0 else "")
    spectrogram_grid(waves, rate, titles, folder / "spectrograms.png", columns=2 * SHOWN, heading=heading)
