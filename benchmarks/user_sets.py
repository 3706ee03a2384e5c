"""Three small sets of sounds that the starter has never seen → the starter fine-tuned on each, the better one kept.

`python -m benchmarks.user_sets --out FOLDER [--minutes 10] [--shared ../shared] [--font FILE.sf2]`; resumable: what is
there is not made again. Held out are zones of pitches, or takes (`corpus.splits.by_zone`).
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from darktimbre import teachers
from darktimbre.audio.atomic import write_json
from darktimbre.bundle.bundle import Bundle
from darktimbre.cli import console
from darktimbre.corpus.corpus import Corpus, is_corpus
from darktimbre.corpus.folder import import_folder
from darktimbre.corpus.nsynth import import_nsynth
from darktimbre.corpus.soundfont import render_soundfont
from darktimbre.corpus.splits import by_zone
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.evaluation.validation import Validation, independent_embedder
from darktimbre.notes.errors import UserError
from darktimbre.pipelines import fine_tuning
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.tagging.tag import tag_corpus
from darktimbre.training.recipe import load_recipe
from darktimbre.training.trainer import Options, train

BRASS = range(56, 64)  # General MIDI programs
MIDDLE = 60  # pitch that sounds without one are given: an instrument with pitch classes needs one


def zoned(source: Corpus, out: Path, attributes_pitches: tuple[int, ...]) -> Corpus:
    """The notes at an instrument's pitches, split by zones or takes."""
    notes = [source.note(int(row)) for row in source.rows()]
    pitched = [replace(note, pitch=MIDDLE) if note.pitch is None else note for note in notes]
    split, known = by_zone(notes), set(attributes_pitches)
    with CorpusWriter(
        out, sample_rate=source.sample_rate, samples=source.samples, licence=source.meta.get("licence", "unknown"),
        provenance=source.meta.get("provenance") or {}, name=source.name, split="given",
    ) as writer:  # fmt: skip
        for row, note in zip(source.rows(), pitched, strict=True):
            if note.pitch in known:
                writer.add(replace(note, split=split[note.id]), source.int16(int(row))[0])
    return writer.corpus


def main() -> None:
    """Makes the sets, fine-tunes the starter on each, writes `report.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--font", type=Path, default=Path("/usr/share/sounds/sf2/sf_GMbank.sf2"))
    given = parser.parse_args()
    sounds, start = given.shared / "sounds", Bundle.from_pretrained("starter")
    pitches = start.attributes.pitches
    kinds: dict[str, Callable[[Path], object]] = {
        "brass": lambda out: render_soundfont(out, [given.font], banks=[0], programs=BRASS, pitches=pitches),
        "nsynth-mini": lambda out: import_nsynth(sounds / "nsynth-mini", out, seconds=1.0),
        "one-shots": lambda out: import_folder(sounds / "one-shots" / "drums", out, seconds=1.0),
    }
    tagger, found = teachers.load(start.attributes.teacher), {}
    for name, make in kinds.items():
        console.heading(name)
        raw, folder = given.out / name / "sounds", given.out / name / "corpus"
        try:
            if not is_corpus(raw):
                make(raw)
        except UserError as error:
            console.warn(f"Left out: {error}")
            continue
        corpus = Corpus.open(folder) if is_corpus(folder) else zoned(Corpus.open(raw), folder, pitches)
        tag_corpus(corpus, tagger)
        run = given.out / name / "training"
        if not (run / "bundle" / "config.json").is_file():
            recipe = load_recipe(fine_tuning.RECIPE, fine_tuning.fine_tuning("starter"))
            resume = (run / "run.json").is_file()
            options = Options(corpus=corpus.path, run=run, resume=resume, devices=1, minutes=given.minutes)
            if train(recipe, options).reason == "interrupted":
                raise SystemExit("Stopped; run the same command to resume.")
        trained, out = Bundle.from_pretrained(run / "bundle", discriminator=True), given.out / name / "instrument"
        kept = fine_tuning.find_kept(out, trained, start)
        kept = kept or fine_tuning.keep_better(out, trained, start, corpus, tagger, console)
        splits = {split: len(corpus.rows(split)) for split in ("train", "valid", "test")}
        found[name] = {"notes": splits, "notes_seen": trained.config["provenance"]["notes_seen"]}
        found[name] |= kept.config["provenance"]["kept"]
        rows = corpus.rows("test")  # valid notes chose
        measured = Validation(corpus, trained.attributes, rows, tagger, independent_embedder())
        scores = {which: measured.score(Synthesizer(one)) for which, one in (("trained", trained), ("starter", start))}
        found[name]["energy score on test notes, lower is better"] = scores
        write_json(given.out / "report.json", found)


if __name__ == "__main__":
    main()
