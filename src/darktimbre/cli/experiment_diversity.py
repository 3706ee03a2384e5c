"""The end of `darktimbre experiment mode-seeking`: every arm heard, compared, and the report written."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darktimbre.cli.experiment_mode_seeking import AGAIN

if TYPE_CHECKING:
    from darktimbre.evaluation.diversity import Diversity
    from darktimbre.evaluation.profile import Profile


def compare(
    rows: Sequence[tuple[str, Path]],
    corpus: Path,
    out: Path,
    *,
    teacher: str,
    weights: Path | None,
    classifier: Path | None,
    profile: "Profile",
    fad: bool,
    seed: int,
    device: str,
    remarks: Sequence[str],
    runs: Sequence[dict[str, Any]] = (),
) -> "Diversity":
    """Hears (title, bundle) of every arm, the one that others are compared with first, and writes the report.

    `remarks` are told with what was left out; `runs` are where the arms were trained, for the report.

    Raises:
        UserError: they do not go together; the sentence says what to do.
    """
    from darktimbre import teachers
    from darktimbre.bundle.classifier import Classifier
    from darktimbre.cli.console import say
    from darktimbre.cli.evaluate import Telling
    from darktimbre.corpus.corpus import Corpus
    from darktimbre.evaluation.diversity import DiversityStudy
    from darktimbre.evaluation.pairing import Instrument, Judges
    from darktimbre.evaluation.report.diversity import write
    from darktimbre.evaluation.report.reading_diversity import paragraph
    from darktimbre.synthesizer.synthesizer import Synthesizer

    instruments = [Instrument(title, Synthesizer.from_pretrained(place, device=device), place) for title, place in rows]
    tagger = teachers.load(teacher, device=device, weights=weights)
    judges = Judges(tagger, tagger, Classifier.from_pretrained(classifier) if classifier else None)
    out.mkdir(parents=True, exist_ok=True)
    with Telling() as telling:
        study = DiversityStudy(
            instruments, Corpus.open(corpus), judges, out, profile=profile, seed=seed, fad=fad, progress=telling.heard
        )
        telling.begin(study.workload())
        found = study.compare(AGAIN if AGAIN in dict(rows) else "")
    told = replace(found.evaluation, left_out=(*remarks, *found.evaluation.left_out))
    games = {run["title"]: {"folder": run["folder"], "notes": run["notes"]} for run in runs}
    told = replace(told, facts={**told.facts, "games": games} if games else told.facts)
    found = replace(found, evaluation=told)
    write(found, out)
    say(paragraph(found))
    say(f"The report is in {out / 'report.html'}; the same as {out / 'report.md'} and {out / 'report.json'}.")
    return found
