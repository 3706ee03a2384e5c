"""What an experiment would be refused for at its end, said before anything is rendered or trained."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from darktimbre.notes.errors import UserError

if TYPE_CHECKING:
    from darktimbre.cli.experiment_runs import Run
    from darktimbre.corpus.corpus import Corpus
    from darktimbre.evaluation.profile import Profile
    from darktimbre.teachers.tagger import Tagger


def refuse_accelerator(accelerator: str) -> None:
    """Says that there is no such accelerator.

    Raises:
        UserError: it is unknown, or there is no GPU.
    """
    import torch

    from darktimbre.training.loop import ACCELERATORS

    if accelerator not in ("auto", *ACCELERATORS):
        raise UserError(f"--accelerator is one of {', '.join(('auto', *ACCELERATORS))}, not {accelerator!r}.")
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise UserError("There is no CUDA GPU here: train with --accelerator cpu.")


def guest_at(place: Path) -> Path:
    """The absolute folder of an instrument that the user brings along; nothing is looked up on a hub.

    Raises:
        UserError: it is no folder, or its bundle cannot be read.
    """
    from darktimbre.bundle.bundle import Bundle

    folder = place.expanduser().resolve()
    if not folder.is_dir():
        raise UserError(f"--gansynth is a folder with a bundle on this machine, and {place} is none.")
    Bundle.from_pretrained(folder)
    return folder


def refuse_what_cannot_be_judged(
    runs: list["Run"], guest: Path | None, corpus: "Corpus", tagger: "Tagger", profile: "Profile", *, fad: bool,
    seed: int, classifier: Path | None = None,
) -> None:  # fmt: skip
    """Asks of corpus, teacher and the user's own instrument what training and evaluation will ask of them.

    Args:
        runs: every arm, on its corpus.
        guest: bundle that the user brings along.
        corpus: what all are evaluated on.
        tagger: the teacher.
        profile: how many notes.
        fad: whether notes too few for the Fréchet distance are refused.
        seed: of the evaluation.
        classifier: that the user brings along.

    Raises:
        UserError: rates, lengths or weights differ, or notes are too few.
    """
    from darktimbre.bundle.classifier import Classifier
    from darktimbre.evaluation import facts
    from darktimbre.evaluation.conditions import RealNotes
    from darktimbre.evaluation.pairing import Instrument, Judges, refuse_few_notes, refuse_wrong_pairings
    from darktimbre.extractors.extractors import EmbeddingExtractor
    from darktimbre.synthesizer.synthesizer import Synthesizer
    from darktimbre.training.material import choose_attributes, gather

    guests = [Instrument("GANSynth", Synthesizer.from_pretrained(guest), guest)] if guest else []
    ear = Classifier.from_pretrained(classifier) if classifier else None
    refuse_wrong_pairings(guests, corpus, Judges(tagger, tagger, ear))
    known = [set(one.attributes.pitches) for one in guests]
    for run in runs:
        if run.arm.role == "instrument":
            assert run.corpus is not None
            attributes = choose_attributes(run.recipe.data, run.corpus)
            known.append(set(attributes.pitches))
            if not run.done:
                gather(run.recipe.data, run.corpus, attributes)
    pitched = [pitches for pitches in known if pitches]
    common = tuple(sorted(set.intersection(*pitched))) if pitched else ()
    if pitched and not common:
        raise UserError("The instruments have no pitch in common: leave --gansynth out, and evaluate it by itself.")
    splits = facts.held_out_splits(guests)
    real = RealNotes.chosen(corpus, common, splits, count=profile.reference, seed=seed)
    if fad:
        silence = np.zeros((1, corpus.samples), np.float32)
        heard = EmbeddingExtractor(tagger).extract(silence, corpus.sample_rate)["embedding"]
        refuse_few_notes(profile.notes, len(real.reference), tagger, heard.shape[1])
