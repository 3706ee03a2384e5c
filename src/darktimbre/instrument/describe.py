"""A synthesizer → what a page needs to draw it: keys, sliders in their order, examples."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from darktimbre import __version__
from darktimbre.instrument.admission import Limits
from darktimbre.instrument.messages import AttributeAnswer, InstrumentAnswer, KeyAnswer
from darktimbre.notes.attributes import STYLES
from darktimbre.synthesizer.keys import keyboard
from darktimbre.synthesizer.synthesizer import Synthesizer

LOUDEST = 32.0  # 30 dB: an untrained instrument may be all but silent


def describe(
    instrument: Synthesizer, *, teacher: str | None, exports: Sequence[str], limits: Limits
) -> InstrumentAnswer:
    """All facts about an instrument, with what the server can do with it."""
    attributes = instrument.attributes
    examples = instrument.bundle.config.get("examples") or []
    return InstrumentAnswer(
        name=name_of(instrument),
        digest=instrument.bundle.digest,
        version=__version__,
        sample_rate=instrument.sample_rate,
        seconds=instrument.seconds,
        pitches=sorted(attributes.pitches),
        between=instrument.controls.between,
        keys=[KeyAnswer(midi=key.midi, source=key.source, semitones=key.semitones) for key in keyboard(instrument)],
        latent_size=instrument.latent_size,
        attributes=_sliders(instrument),
        styles=list(attributes.names) if attributes.teacher == STYLES else [],
        architecture=instrument.bundle.architecture,
        encodes=instrument.encodes,
        points=0 if instrument.bundle.encoded is None else len(instrument.bundle.encoded),
        level_db=instrument.bundle.level_db,
        examples=[
            {name: round(float(value), 4) for name, value in zip(attributes.names, row, strict=True)}
            for row in examples
        ],
        teacher=teacher,
        gain=make_up_gain(instrument),
        exports=list(exports),
        runtime=str(getattr(instrument, "runtime", "torch")),
        limits={
            "notes": limits.notes,
            "patches": limits.patches,
            "upload_bytes": limits.upload_bytes,
            "json_bytes": limits.json_bytes,
        },
    )


def make_up_gain(instrument: Synthesizer, notes: int = 8) -> float:
    """How many times louder the page plays than the notes are: most examples then reach full scale at full velocity.

    Instruments are as quiet as the sounds they were trained on, few of which use the whole scale. The page's limiter
    takes care of the louder tenth and of chords. What is rendered, downloaded or exported keeps its own level.
    """
    pitches = instrument.attributes.pitches
    middle = instrument.attributes.nearest_pitch(float(np.mean(pitches))) if pitches else None
    examples = np.asarray(instrument.bundle.config.get("examples") or [], np.float32)
    if len(examples):
        chosen = examples[np.linspace(0, len(examples) - 1, min(notes, len(examples))).astype(int)]
        waves = instrument.render(pitch=middle, attributes=chosen)
    else:
        waves = instrument.render(pitch=middle, seed=list(range(notes)))
    loud = float(np.quantile(np.abs(waves).max(axis=1), 0.9))
    return round(min(max(1.0 / max(loud, 1e-6), 1.0), LOUDEST), 3)


def name_of(instrument: Synthesizer) -> str:
    """What people call it: its folder's name, or that of the run whose `bundle` it is."""
    folder = Path(instrument.bundle.origin)
    return folder.parent.name if folder.name == "bundle" and folder.parent.name else folder.name


def _sliders(instrument: Synthesizer) -> list[AttributeAnswer]:
    """The attributes in the order of how well they obey, as measured; then those of which that is not known, and edits,
    in the bundle's order."""
    metrics = instrument.bundle.config.get("metrics")
    evaluation = metrics.get("evaluation") if isinstance(metrics, dict) else None
    measured = evaluation.get("attributes") if isinstance(evaluation, dict) else None
    response = measured if isinstance(measured, dict) else {}
    edits = {edit.name: edit for edit in instrument.bundle.edits}
    sliders = [
        AttributeAnswer(
            name=name, baseline=round(float(level), 4), response=response.get(name),
            also=None if name not in edits else list(edits[name].also),
            about=None if name not in edits else edits[name].about,
        )
        for name, level in zip(instrument.controls.attributes.names, instrument.controls.baseline, strict=True)
    ]  # fmt: skip
    return sorted(sliders, key=lambda one: (one.response is None, -(one.response or 0.0)))
