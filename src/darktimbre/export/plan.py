"""What is to be exported, before anything sounds: settings, layers and keys → zones, one for each sample.

synthesizer → (plan → samples → sfz · decentsampler · wavs) → sampler.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from darktimbre.export.naming import slug
from darktimbre.notes.attributes import CLASSES, STYLES, is_leaf
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.keys import UNPITCHED, keyboard, sources
from darktimbre.synthesizer.patch import Patch
from darktimbre.synthesizer.synthesizer import Synthesizer

Arrangement = Literal["keyswitch", "velocity", "layers"]
Normalise = Literal["peak", "none"]
ARRANGEMENTS: tuple[Arrangement, ...] = ("keyswitch", "velocity", "layers")

MOST_SETTINGS, MOST_LAYERS, MOST_VARIATIONS, WIDEST_STEP = 99, 5, 99, 24
LOWEST_RATE, HIGHEST_RATE = 8_000, 192_000
MOST_STYLES = 24  # of a default export
SAME_WORD = 0.3  # rank correlation over notes above which two words say much the same
LOWEST_SWITCH = 21  # the lowest key of a piano; what lies below is out of reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How an instrument becomes samples."""

    patches: tuple[Patch, ...]  # the settings; several are arranged as `arrangement` says
    title: str = ""  # what the instrument is called in the sampler
    # `keyswitch`: one sounds at a time, chosen by a key below the playing range; `velocity`: from the first for soft
    # notes to the last for hard ones; `layers`: all sound together
    arrangement: Arrangement = "keyswitch"
    # the model has no input for velocity: layer k of n has the setting's words at k/n of their way from the
    # instrument's middle, so that a harder key brings more of them; loudness follows the sampler's own velocity curve
    velocity_layers: int = 1
    variations: int = 1  # sounds of a setting on a key, by seeds that follow each other
    step: int = 1  # every how many pitches a sample is made; the sampler stretches it over those between
    rate: int = 44_100  # samples a second
    bits: Literal[16, 24, 32] = 16  # 16 (dithered), 24, or 32 (floating point)
    loops: bool = True  # look for loops in notes that hold their level; see `loops`
    # `peak`: one gain for all samples, the loudest note rendered then at -1 dBFS; `none`: as rendered, turned down only
    # if that would clip
    normalise: Normalise = "peak"

    def __post_init__(self) -> None:
        if not 1 <= len(self.patches) <= MOST_SETTINGS:
            raise UserError(f"An export holds 1 to {MOST_SETTINGS} settings, not {len(self.patches)}.")
        if self.arrangement not in ARRANGEMENTS:
            raise UserError(f"There is no arrangement {self.arrangement!r}; choose one of {', '.join(ARRANGEMENTS)}.")
        if not 1 <= self.velocity_layers <= MOST_LAYERS:
            raise UserError(f"There can be 1 to {MOST_LAYERS} velocity layers, not {self.velocity_layers}.")
        if self.arrangement == "velocity" and self.velocity_layers > 1 and len(self.patches) > 1:
            raise UserError("Settings arranged by velocity are the velocity layers: leave --velocity-layers at 1.")
        if not 1 <= self.variations <= MOST_VARIATIONS:
            raise UserError(f"A setting has 1 to {MOST_VARIATIONS} variations, not {self.variations}.")
        if not 1 <= self.step <= WIDEST_STEP:
            raise UserError(f"A sample can serve 1 to {WIDEST_STEP} semitones, not {self.step}.")
        if not LOWEST_RATE <= self.rate <= HIGHEST_RATE:
            raise UserError(f"The rate must lie between {LOWEST_RATE} and {HIGHEST_RATE} Hz, not at {self.rate}.")
        if self.bits not in (16, 24, 32):
            raise UserError(f"Samples have 16, 24 or 32 bits, not {self.bits}.")

    @property
    def names(self) -> tuple[str, ...]:
        """What the settings are called: their own name, or what words they set, or their number."""
        return tuple(setting_name(patch, number) for number, patch in enumerate(self.patches, start=1))


@dataclass(frozen=True, slots=True)
class Zone:
    """One sample's place on keys and velocities."""

    setting: int  # index of its setting
    layer: int  # index of its velocity layer, soft first
    source: float | None  # pitch the network renders; None for an instrument without pitch
    root: int  # key on which it sounds as rendered
    low: int  # lowest key
    high: int  # highest key
    softest: int  # lowest velocity
    hardest: int  # highest velocity
    patch: Patch  # what is rendered: the setting with its words at the layer's share
    variation: int = 0  # number of the variation, from 0


def zones(instrument: Synthesizer, plan: Plan) -> tuple[Zone, ...]:
    """Every zone: setting by setting, layer by layer, from low to high.

    Each key takes the sample nearest to it (of two equally near, the lower), so that with a step of 1 every key sounds
    as it does on the page.

    Raises:
        UserError: a setting names an attribute the instrument has not, or key-switches find no room.
    """
    made: list[Zone] = []
    spans = _spans(instrument, plan)
    count = len(plan.patches)
    for index, patch in enumerate(plan.patches):
        named = patch.model_copy(update={"attributes": patch.levels(instrument.controls.attributes)})
        if plan.arrangement == "velocity" and count > 1:
            layers = [(0, *_velocities(index, count), named)]
        else:
            layers = [
                (
                    layer,
                    *_velocities(layer, plan.velocity_layers),
                    share(instrument, named, layer, plan.velocity_layers),
                )
                for layer in range(plan.velocity_layers)
            ]
        for layer, softest, hardest, shared in layers:
            for number in range(plan.variations):
                played = shared.model_copy(update={"seed": shared.seed + number}) if number else shared
                for source, root, low, high in spans:
                    made.append(Zone(index, layer, source, root, low, high, softest, hardest, played, number))
    return tuple(made)


def share(instrument: Synthesizer, patch: Patch, layer: int, layers: int) -> Patch:
    """The patch of a velocity layer: its words at (layer + 1) / layers of their way from the instrument's middle."""
    part = (layer + 1) / layers
    if part == 1.0:
        return patch
    names, baseline = instrument.controls.attributes.names, instrument.controls.baseline
    middle = {name: float(baseline[names.index(name)]) for name in patch.attributes}
    moved = {name: middle[name] + part * (value - middle[name]) for name, value in patch.attributes.items()}
    return patch.model_copy(update={"attributes": moved})


def switches(instrument: Synthesizer, plan: Plan) -> tuple[int, ...]:
    """The key that chooses each setting, directly below the playing range; none where there is nothing to choose."""
    if plan.arrangement != "keyswitch" or len(plan.patches) == 1:
        return ()
    lowest = _range(instrument, plan)[0]
    return tuple(range(lowest - len(plan.patches), lowest))


def suggested(instrument: Synthesizer, words: int = 2, *, seed: int = 0) -> tuple[Patch, ...]:
    """What is exported by default: the instrument's middle, and the attributes that it follows best, each alone;
    of an instrument of classes, every subclass; of styles, the untagged middle and every style (the first 24).

    Best by the evaluation in the bundle where there is one, else the first the instrument has. Words that go together
    in the training notes that the bundle holds as examples (drum, snare drum) would make one sound twice: of these the
    best alone is taken.
    """
    names = instrument.attributes.names
    if instrument.attributes.teacher == CLASSES:
        finest = [name for name in names if is_leaf(name, names)]
        return _alone(finest, seed)
    middle = Patch.from_json({"name": "Middle", "seed": seed})
    if instrument.attributes.teacher == STYLES:
        return (middle, *_alone(names[:MOST_STYLES], seed))
    evaluation = (instrument.bundle.config.get("metrics") or {}).get("evaluation")
    scores = evaluation.get("attributes") if isinstance(evaluation, dict) else None
    order = {name: index for index, name in enumerate(names)}
    known = {name: float(value) for name, value in (scores or {}).items() if name in order and value is not None}
    ranked = sorted(names, key=lambda name: (-known.get(name, -1.0), order[name]))
    examples = np.asarray(instrument.bundle.config.get("examples") or np.zeros((0, len(names))), np.float64)
    chosen: list[str] = []
    for name in ranked:
        if len(chosen) < words and not any(_alike(examples, order[name], order[other]) for other in chosen):
            chosen.append(name)
    return (middle, *_alone(chosen, seed))


def _alone(names: Sequence[str], seed: int) -> tuple[Patch, ...]:
    """Each attribute by itself."""
    return tuple(Patch.from_json({"name": name[:80], "attributes": {name: 1.0}, "seed": seed}) for name in names)


def setting_name(patch: Patch, number: int) -> str:
    """What a setting is called in menus."""
    if patch.name.strip():
        return patch.name.strip()
    words = {name: value for name, value in patch.attributes.items() if is_leaf(name, patch.attributes)}
    strongest = sorted(words.items(), key=lambda item: -abs(item[1]))[:2]
    return " + ".join(name for name, _ in strongest) or f"Setting {number}"


def stems(plan: Plan) -> tuple[str, ...]:
    """A short, different and plain name of each setting, for files."""
    width = len(str(len(plan.patches)))
    return tuple(f"{number:0{width}d}_{slug(name, 20)}" for number, name in enumerate(plan.names, start=1))


def _alike(examples: np.ndarray, one: int, other: int) -> bool:
    """Whether two attributes rise and fall together over the examples."""
    if len(examples) < 3:
        return False
    ranks = examples[:, [one, other]].argsort(axis=0).argsort(axis=0).astype(np.float64)
    return bool(np.asarray(np.corrcoef(ranks.T))[0, 1] > SAME_WORD)


def _velocities(layer: int, layers: int) -> tuple[int, int]:
    """Equal parts of 1 to 127, without gap or overlap."""
    return round(127 * layer / layers) + 1, round(127 * (layer + 1) / layers)


def _range(instrument: Synthesizer, plan: Plan) -> tuple[int, int]:
    """First and last playing key: the page's keyboard, less what key-switches need of it."""
    keys = keyboard(instrument)
    low, high = keys[0].midi, keys[-1].midi
    if plan.arrangement == "keyswitch" and len(plan.patches) > 1:
        trained = min(instrument.attributes.pitches or (UNPITCHED,))
        low = max(low, min(LOWEST_SWITCH + len(plan.patches), trained))
        if low < len(plan.patches):
            raise UserError(
                "There are no keys left below this instrument's for key-switches: take another arrangement."
            )
    return low, high


def _spans(instrument: Synthesizer, plan: Plan) -> Sequence[tuple[float | None, int, int, int]]:
    """(source, root, lowest key, highest key) of each sample, from low to high."""
    low, high = _range(instrument, plan)
    whole = sources(instrument)
    if whole == (None,):
        return [(None, UNPITCHED, low, high)]
    rising = [source for source in whole if source is not None]
    offset = (len(rising) - 1) % plan.step // 2  # what is left over lies at both ends
    taken = rising[offset :: plan.step]
    roots = [round(source) for source in taken]
    tops = [(here + after) // 2 for here, after in pairwise(roots)] + [high]
    bottoms = [low, *(top + 1 for top in tops[:-1])]
    return list(zip(taken, roots, bottoms, tops, strict=True))
