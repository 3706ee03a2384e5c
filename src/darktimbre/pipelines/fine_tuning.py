"""A trained instrument + a user's own corpus → the instrument trained on, or the one it started from if that is better.

`quickstart` does so from the starter on notes it renders. Nothing here asks how a corpus was made.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from darktimbre.bundle.bundle import Bundle
from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation.conditions import known_rows
from darktimbre.evaluation.validation import SPLIT, Decision, Validation, better, independent_embedder, nearer
from darktimbre.pipelines.steps import Reporter, recorded
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.teachers.tagger import Tagger
from darktimbre.training.tasks.note_generator import settings_like

RECIPE = "darktimbre-teacher"
"""By the energy score, with the teacher's logits: it needs no discriminator, which an energy bundle does not hold."""

SETTINGS = ("optimiser.lr=0.0002", "optimiser.decay_notes=0", "averaging.half_life=1000")
"""A rate at which little is forgotten, the same whenever the user stops; the average stands for a falling rate."""

COMPARED = 384  # valid notes that two instruments are compared on, at most
FEW = 48  # valid notes below which correlations say nothing


def fine_tuning(start: str | Path) -> list[str]:
    """Overrides of `RECIPE` for training on from a bundle: its network, codec and attributes.

    Raises:
        UserError: there is no such bundle, or it is no GAN.
    """
    return [*settings_like(Bundle.from_pretrained(start)), f"init={start}", *SETTINGS]


def find_kept(out: Path, trained: Bundle, start: Bundle | None) -> Bundle | None:
    """What `keep_better` made of the same two; None where it is not there."""
    kept = recorded(out / "config.json", "provenance", "kept")
    return Bundle.from_pretrained(out, discriminator=True) if kept and _of(kept) == _of(_kept(trained, start)) else None


def keep_better(
    out: Path,
    trained: Bundle,
    start: Bundle | None,
    corpus: Corpus,
    tagger: Tagger | None,
    reporter: Reporter,
    *,
    name: str = "starter",
    device: str = "cpu",
) -> Bundle:
    """Writes the better of an instrument and the one that its training went on from into `out`; says why.

    Better is who is better on the corpus's valid notes by the teacher and by a probe that was in no loss; of few notes,
    who is nearer to them in features that were in no loss. Its provenance has `kept`: whether it is the trained
    one, why, and the digests of both.

    Args:
        out: folder of a bundle, which is written.
        trained: the instrument after training.
        start: the one before; None where weights were random.
        corpus: what it was trained on.
        tagger: the teacher; None where the attributes are no teacher's.
        reporter: told what happens.
        name: what `start` is called.
        device: what computes.
    """
    rows = known_rows(corpus, (SPLIT,), trained.attributes.pitches)
    if start is None:
        decision = Decision(True, "Training started from random weights: there is nothing to compare it with.")
    elif not alike(trained, start):
        decision = Decision(True, f"The trained instrument has other controls than the {name}: they do not compare.")
    elif not len(rows):
        decision = Decision(True, f"The trained instrument is kept unmeasured: {corpus.path} has no {SPLIT} notes.")
    else:
        count = min(COMPARED, len(rows))
        validation = Validation.of_valid_notes(
            corpus, trained.attributes, tagger, independent_embedder(device), notes=count
        )
        on, (after, before) = f"{count} {SPLIT} notes", (Synthesizer(one, device) for one in (trained, start))
        with reporter.progress("comparing", unit="sounds") as update:
            done = 0

            def progress(notes: int) -> None:
                nonlocal done
                done += notes
                update(done, 2 * count)

            if count < FEW and trained.attributes.names:
                decision = nearer(validation.score(after), validation.score(before), name=name, on=on)
            else:
                found = validation.trained(after, progress), validation.trained(before, progress)
                decision = better(*found, name=name, on=on)
    one = trained if decision.trained or start is None else start
    chosen = {"chosen_by": {"split": SPLIT, "metric": "teacher and probe"}} if start is not None and len(rows) else {}
    kept = {"kept": {**_kept(trained, start), "trained_on": decision.trained, "why": decision.why}}
    config = {**one.config, "provenance": {**(one.config.get("provenance") or {}), **chosen, **kept}}
    made = replace(one, config=config)
    made.save_pretrained(out)
    reporter.say(decision.why)
    return made


def alike(one: Bundle, other: Bundle) -> bool:
    """Whether two instruments take the same conditions and make notes of one length and rate."""
    first, second = ((each.attributes.pitches, each.attributes.names, each.codec().samples) for each in (one, other))
    return first == second


def _kept(trained: Bundle, start: Bundle | None) -> dict[str, Any]:
    return {"trained": trained.digest, "start": start and start.digest}


def _of(kept: dict[str, Any]) -> tuple[Any, Any]:
    return kept.get("trained"), kept.get("start")
