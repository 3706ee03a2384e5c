"""What a report must tell beside its figures: digests, splits, versions, and what each instrument is."""

import hashlib
import json
import platform
from collections.abc import Sequence
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation.pairing import Instrument, Judges
from darktimbre.evaluation.results import Kind

LIBRARIES = ("darktimbre", "torch", "numpy", "scipy", "soxr")
HELD_OUT = ("valid", "test")
ROOMS = ("notes", "audio", "representation", "teachers", "tagging", "models", "synthesizer")
"""Whose code sounds, and what is heard in them, follow from."""


def kind(one: Instrument, corpus: Corpus) -> Kind:
    """GANSynth is told by its longer notes, which are trimmed; the paper's baseline is an instrument of pitch alone."""
    if one.attributes.names:
        return "darkgan"
    return "gansynth" if one.synthesizer.samples > corpus.samples else "baseline"


def held_out_splits(instruments: Sequence[Instrument]) -> tuple[str, ...]:
    """Splits whose notes are held out: both, or the test split alone where a checkpoint was chosen by the other."""
    chosen = [(one.synthesizer.bundle.config.get("provenance") or {}).get("chosen_by") for one in instruments]
    return ("test",) if any(by and by.get("split") == "valid" for by in chosen) else HELD_OUT


def of_instrument(one: Instrument, corpus: Corpus) -> dict[str, Any]:
    """What the bundle says of itself."""
    bundle = one.synthesizer.bundle
    provenance = bundle.config.get("provenance") or {}
    learnt = provenance.get("corpus") or {}
    digest = learnt.get("digest") if isinstance(learnt, dict) else None
    told = {
        "notes_seen": provenance.get("notes_seen"),
        "parameters": sum(tensor.numel() for tensor in bundle.weights.values()),
        "attributes": len(one.attributes.names),
        "recipe": (bundle.config.get("recipe") or {}).get("name"),
        "chosen_by": provenance.get("chosen_by"),
        "learnt_from": {"name": learnt.get("name"), "digest": digest} if digest else None,
        "seconds": one.synthesizer.seconds if one.synthesizer.samples != corpus.samples else None,
    }
    return {key: value for key, value in told.items() if value is not None}


def of_judges(judges: Judges, dimension: int) -> dict[str, Any]:
    """Who listened, by digest."""
    classifier = judges.classifier
    return {
        "teacher": {"name": judges.teacher.name, "digest": judges.teacher.digest},
        "embedding": {"name": judges.embedder.name, "digest": judges.embedder.digest, "dimension": dimension},
        "classifier": None
        if classifier is None
        else {
            "digest": classifier.digest,
            "dimension": classifier.dimension,
            "pitches": len(classifier.pitches),
            "families": list(classifier.families),
            "learnt_from": (classifier.config.get("provenance") or {}).get("corpus"),
            "metrics": classifier.config.get("metrics"),
        },
    }


def of_corpus(corpus: Corpus) -> dict[str, Any]:
    """Which notes."""
    return {
        "name": corpus.name,
        "digest": corpus.digest,
        "notes": len(corpus),
        "licence": corpus.meta.get("licence"),
        "sample_rate": corpus.sample_rate,
        "seconds": corpus.samples / corpus.sample_rate,
    }


def cautions(instruments: Sequence[Instrument], corpus: Corpus, judges: Judges) -> tuple[str, ...]:
    """What a reader must keep in mind: strangers to the corpus, judges that are parties, notes the judges know."""
    told = []
    for one in instruments:
        learnt = of_instrument(one, corpus).get("learnt_from")
        if learnt and learnt["digest"] != corpus.digest:
            told.append(
                f"{one.name} learnt from another corpus ({learnt['name']}, {learnt['digest'][:12]}…): what is held out "
                "here is new to it only if both were split by the same instruments."
            )
    if any(one.attributes.names for one in instruments):
        told.append(
            f"{judges.teacher.name} is judge and party: instruments with attributes learnt from its answers, and "
            f"distances are taken in the embedding of {judges.embedder.name}."
        )
    if judges.classifier is not None:
        provenance = (judges.classifier.config.get("provenance") or {}).get("corpus")
        digest = provenance.get("digest") if isinstance(provenance, dict) else None
        if digest != corpus.digest:
            told.append("The classifier learnt from another corpus: its figures mean less on this one.")
        told.append(
            "The classifier learnt from the train split: it has heard the reference and the row of real notes before, "
            "and no other sounds. PIS, IIS and pitch of real notes compare with generated ones in the held-out row."
        )
    return tuple(told)


def environment(device: str) -> str:
    """Digest of the code and the libraries that sounds and what is heard in them follow from, beside their inputs."""
    total = hashlib.sha256(json.dumps([versions(), device]).encode())
    package = resources.files("darktimbre")
    for room in ROOMS:
        for file in sorted(Path(str(package / room)).glob("**/*.py")):
            total.update(file.read_bytes())
    return total.hexdigest()


def versions() -> dict[str, str]:
    """Of Python and the libraries that the figures hang on."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "not installed as a package"
    return found
