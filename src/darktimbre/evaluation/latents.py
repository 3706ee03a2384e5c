"""Autoencoder × corpus × evaluators → what its latent holds and what its condition does.

Two questions, in the order of this file. *What does the latent hold?* Fresh probes predict style, octave and semitone
from latents of notes (they should not), the latents are compared with the prior, and reconstructions with their notes.
*Is the condition followed?* Latents drawn from the prior, or taken from real notes, are decoded under
conditions, and evaluators that were trained on real notes alone predict style and pitch of the sounds.

Every figure stands beside what it is of real held-out notes (A*): an evaluator that recognises half of those
recognises no more of generated ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.loudness import at_peak
from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation.autoencoders import (
    Autoencoder,
    Floats,
    Predictions,
    StyledNotes,
    StyleEvaluator,
    Whole,
    centres,
    conditions,
    conditions_of,
    decibels,
    encoded,
    known_pitches,
    magnitudes,
)
from darktimbre.evaluation.latent_figures import (
    ALL_NOTES,
    PRIOR_ANY,
    PRIOR_COMMON,
    PRIOR_OWN,
    REAL,
    Accuracy,
    LatentFigures,
    Leakage,
    Mixing,
    PriorFit,
    Reconstruction,
    Swap,
)
from darktimbre.evaluation.results import MISSING, Estimate
from darktimbre.evaluation.scores import CENTS, mean_estimate
from darktimbre.extractors.extractors import PitchExtractor
from darktimbre.measures.correlation import monotonicity
from darktimbre.measures.frechet import Moments, frechet_distance
from darktimbre.measures.partials import frame_depth, loud_frames, modulation_kept, partials, partials_kept
from darktimbre.measures.pitch import interval_cents
from darktimbre.measures.prior import effective_rank, normal_deviation, sliced_distance
from darktimbre.measures.probes import Probe, ProbeKind, probe
from darktimbre.measures.spectral import log_spectral_distance
from darktimbre.notes.errors import UserError
from darktimbre.notes.pitch import SEMITONES, midi_to_hz, octave_of
from darktimbre.representation.codec import Codec

KINDS: tuple[ProbeKind, ...] = ("mlp", "k-nn")
WANTED_OCTAVES = (3, 4)
"""Octaves (C4 is MIDI 60) that the document compares styles in, because all its instruments have them."""
FEWEST = 12  # held-out notes that figures are worth taking of


@dataclass(frozen=True)
class LatentCounts:
    """How many notes each part takes."""

    latents: int = 4000  # notes whose latents are probed and compared with the prior, at most
    real: int = 600  # held-out notes that are classified, at most
    prior: int = 480  # samples of each set of conditions
    swaps: int = 360  # held-out notes decoded in another style
    mixtures: int = 48  # pairs of styles that are mixed
    steps: int = 7  # weights of a mixture, from 0 to 1
    reconstructions: int = 400  # held-out notes
    inversions: int = 48  # notes that each inversion makes
    resamples: int = 400  # of every bootstrap


QUICK_COUNTS = LatentCounts(
    latents=1500, real=240, prior=144, swaps=120, mixtures=16, reconstructions=120, inversions=12, resamples=200
)


class LatentStudy:
    """Everything that is measured of autoencoders of one corpus; what is of real notes is computed once."""

    def __init__(
        self,
        notes: StyledNotes,
        evaluators: Sequence[StyleEvaluator] = (),
        *,
        split: str = "test",
        counts: LatentCounts | None = None,
        embed: Callable[[Floats], Floats] | None = None,
        seed: int = 0,
        say: Callable[[str], object] = lambda text: None,
    ) -> None:
        """Chooses the notes.

        Args:
            notes: all of a corpus.
            evaluators: without them only latents, prior and reconstruction are measured.
            split: whose notes count as held out: "test", or "valid" while models are still being chosen.
            counts: how many notes each part takes.
            embed: sounds (note, sample) → an embedding that the Fréchet distance is taken in; left out without.
            seed: of what is drawn.
            say: receives a line on each part.

        Raises:
            UserError: the split has too few notes, or an evaluator does not know the styles.
        """
        self.notes, self.evaluators, self.split, self.seed = notes, tuple(evaluators), split, seed
        self.counts, self.embed, self.say = counts or LatentCounts(), embed, say
        self.rate = notes.corpus.sample_rate
        self.held_out = notes.of_split(split).where(notes.of_split(split).style >= 0)
        if len(self.held_out) < FEWEST:
            raise UserError(
                f"{notes.corpus.path} has {len(self.held_out)} notes with a style in its {split} split, and at least "
                f"{FEWEST} are needed: make it of more recordings, or give another corpus."
            )
        self.train = notes.of_split("train")
        self.columns = {evaluator.name: evaluator.columns(notes.styles) for evaluator in self.evaluators}
        self._real: dict[Any, Any] = {}
        self._real_depth: dict[int, NDArray[np.float64]] = {}

    # What follows from real notes alone

    @cached_property
    def ranges(self) -> list[Whole]:
        """Pitches that each style has in the whole corpus (style → (pitch,))."""
        return [
            np.unique(self.notes.pitch[(self.notes.style == one) & (self.notes.pitch >= 0)])
            for one in range(len(self.notes.styles))
        ]

    @cached_property
    def octaves(self) -> tuple[int, ...]:
        """Octaves in which every style has notes; of these 3 and 4 alone, where they are among them."""
        each = [set(octave_of(one).tolist()) for one in self.ranges]
        common = set.intersection(*each) if each else set()
        wanted = common & set(WANTED_OCTAVES)
        return tuple(sorted(wanted or common))

    def _real_predictions(self, notes: StyledNotes) -> dict[str, Predictions]:
        """Predictions for some real notes, kept."""
        key = notes.rows.tobytes()
        if key not in self._real:
            waves = notes.waves()
            self._real[key] = {evaluator.name: evaluator.predict(waves, self.rate) for evaluator in self.evaluators}
        kept: dict[str, Predictions] = self._real[key]
        return kept

    # ── what the latent holds

    def latents(self, model: Autoencoder, notes: StyledNotes) -> NDArray[np.float64]:
        """Latents of some notes (note, latent)."""
        parts = [slice(first, first + 256) for first in range(0, len(notes), 256)]
        return np.concatenate([model.encode(notes.where(part).waves(model.peak_db)) for part in parts]).astype(float)

    def leakage(self, latents: NDArray[np.float64], notes: StyledNotes, *, held_out: bool = False) -> list[Leakage]:
        """What fresh probes find in latents, cross-validated; or probes trained on the other splits' latents, in those
        of the split that is held out. Nothing of what has fewer than two classes."""
        apart = np.isin(notes.rows, self.notes.corpus.rows(self.split)) if held_out else None
        among = f"the {self.split} split by the others" if held_out else ALL_NOTES
        found: list[Leakage] = []
        octave = np.where(notes.octave < -1, -1, notes.octave + 1)  # −1 for none, from 0 on
        for name, label in (("style", notes.style), ("octave", octave), ("semitone", notes.semitone)):
            try:
                mlp, near = (
                    probe(latents, label, notes.recording, held_out=apart, kind=kind, seed=self.seed) for kind in KINDS
                )
            except ValueError:
                continue
            estimates = _corrected(mlp), _corrected(near)
            found.append(Leakage(name, among, *estimates, mlp.classes, mlp.notes, mlp.left_out))
        return found

    def prior_fit(self, latents: NDArray[np.float64]) -> PriorFit:
        """How latents follow the prior."""
        each, all_ = normal_deviation(latents, seed=self.seed), sliced_distance(latents, seed=self.seed)
        return PriorFit(
            len(latents),
            tuple(each.mean.tolist()),
            tuple(each.deviation.tolist()),
            tuple(each.distance.tolist()),
            each.expected,
            all_.distance,
            all_.expected,
            effective_rank(latents),
        )

    def reconstruction(self, model: Autoencoder, notes: StyledNotes) -> Reconstruction:
        """Notes encoded and decoded under their own condition, compared as spectrograms."""
        waves = notes.waves(model.peak_db)
        original = encoded(model.codec, waves)
        copy = model.spectrograms(model.encode(waves), conditions(model.attributes, notes))[:, :, : original.shape[2]]
        mean = self.mean_over(notes.recording)
        db = [decibels(model.codec, one) for one in (original, copy)]
        f0 = np.where(notes.pitch >= 0, [midi_to_hz(float(one)) for one in notes.pitch], np.nan)
        one, other = (partials(each, centres(model.codec), f0) for each in db)
        loud = loud_frames(db[0])
        rate = model.codec.sample_rate / model.codec.config.hop
        kept = modulation_kept(one, other, loud, frame_rate=rate)
        depth, copied = (frame_depth(each, loud, frame_rate=rate) for each in db)
        known = np.isfinite(depth)
        floor = model.codec.config.floor
        apart = log_spectral_distance(*(magnitudes(model.codec, each) for each in (original, copy)), floor=floor)
        return Reconstruction(
            len(notes),
            mean(apart),
            mean(partials_kept(one, other, loud)),
            mean(kept.amplitude),
            mean(kept.frequency),
            int(np.isfinite(kept.amplitude).sum()),
            int(np.isfinite(kept.frequency).sum()),
            mean(kept.ratio),
            mean(copied / depth[known].mean()) if known.any() else MISSING,
        )

    # ── what the condition does

    def accuracy(
        self,
        among: str,
        predictions: dict[str, Predictions],
        style: Whole | None,
        pitch: Whole | None,
        groups: NDArray[Any] | None = None,
        waves: Floats | None = None,
    ) -> Accuracy:
        """How often evaluators predict the target.

        Args:
            among: which sounds.
            predictions: by the evaluator's name.
            style, pitch: targets (note,), −1 for notes that do not count; None where the model is not given them.
            groups: recordings of real notes, for the intervals.
            waves: the sounds (note, sample), for their fundamentals; left out without.
        """
        found: dict[str, dict[str, NDArray[np.float64]]] = {}
        for evaluator in self.evaluators:
            predicted, hits = predictions[evaluator.name], dict[str, NDArray[np.float64]]()
            if style is not None:
                right = predicted.style[:, self.columns[evaluator.name]].argmax(axis=1) == style
                hits["style"] = np.where(style >= 0, right, np.nan)
            if pitch is not None and evaluator.pitches:
                hits |= _pitch_hits(predicted.pitch, np.array(evaluator.pitches), pitch)
            found[evaluator.name] = hits
        mean = self.mean_over(groups)
        keys = sorted({key for hits in found.values() for key in hits})
        together = {key: mean(np.mean([hits[key] for hits in found.values() if key in hits], axis=0)) for key in keys}
        if waves is not None and pitch is not None:
            together["tuned"] = mean(self.tuned(waves, pitch))
        each = {name: {key: _mean_or_none(one) for key, one in hits.items()} for name, hits in found.items()}
        return Accuracy(among, len(next(iter(predictions.values())).style), **together, evaluators=each)

    def tuned(self, waves: Floats, pitch: Whole) -> NDArray[np.float64]:
        """1 where the fundamental is within a quarter tone of MIDI numbers (note,); NaN where these are −1."""
        hertz = np.array([midi_to_hz(float(max(one, 0))) for one in pitch])
        known = pitch >= 0
        f0 = PitchExtractor(self.rate, hertz[known]).extract(waves, self.rate)["f0"]
        hit = np.abs(interval_cents(f0, np.where(known, hertz, 440.0))) <= CENTS
        return np.where(known, hit, np.nan)

    def real_accuracy(self) -> list[Accuracy]:
        """A*: of real held-out notes, all, and those in the common octaves."""
        notes = self.held_out.some(self.counts.real, self.seed)
        predictions = self._real_predictions(notes)
        found = [self.accuracy(REAL, predictions, notes.style, notes.pitch, notes.recording, notes.waves())]
        within = np.isin(notes.octave, self.octaves)
        if within.any():
            part = {
                key: Predictions(one.style[within], one.pitch[within], one.embedding[within])
                for key, one in predictions.items()
            }
            here = notes.where(within)
            found.append(self.accuracy(f"{REAL}, common octaves", part, here.style, here.pitch, here.recording))
        return found

    def targets(self, which: str, count: int) -> tuple[Whole, Whole]:
        """Styles and pitches (note,) for samples of the prior: all styles equally often, pitches at random.

        Args:
            which: `PRIOR_COMMON`: pitches that the style has in octaves that all styles have; `PRIOR_OWN`: pitches that
                it has; `PRIOR_ANY`: any that some style has. A style of which no note has a pitch gets −1.
            count: how many.
        """
        random = np.random.default_rng((self.seed, count))
        every = np.unique(np.concatenate(self.ranges))
        style = np.arange(count) % len(self.notes.styles)
        pitch = np.empty(count, np.int64)
        for place, one in enumerate(style):
            choice = every if which == PRIOR_ANY else self.ranges[one]
            if which == PRIOR_COMMON:
                choice = choice[np.isin(octave_of(choice), self.octaves)]
            pitch[place] = random.choice(choice) if len(choice) else -1
        return style, pitch

    def samples(self, model: Autoencoder, which: str) -> tuple[Accuracy, Floats, Whole] | None:
        """Latents drawn from the prior, decoded under styles and pitches, and predicted by the evaluators.

        Returns:
            The accuracy, the sounds (note, sample) and their styles (note,); None where styles have nothing in common,
            or the model takes no condition.
        """
        if (which == PRIOR_COMMON and not self.octaves) or not model.attributes.size:
            return None
        style, pitch = self.targets(which, self.counts.prior)
        latent = np.random.default_rng((self.seed, 1)).standard_normal((len(style), model.latent_size))
        condition = conditions_of(model.attributes, self.notes.names, self.style_values[style], pitch)
        usable = known_pitches(model.attributes, pitch)
        waves = model.waves(latent[usable].astype(np.float32), condition[usable])
        predictions = {evaluator.name: evaluator.predict(waves, self.rate) for evaluator in self.evaluators}
        given = (style[usable] if model.attributes.names else None, pitch[usable] if model.attributes.pitches else None)
        return self.accuracy(which, predictions, *given, waves=waves), waves, style[usable]

    def level_modulation(self, codec: Codec, waves: Floats, style: Whole) -> Estimate:
        """Depth of the 4 to 12 Hz modulation of whole frames' levels of sounds (note, sample), over that of real
        held-out notes of their styles (note,)."""
        if codec.samples not in self._real_depth:
            self._real_depth[codec.samples] = self._depth(codec, self.held_out.waves(-1.0))
        real, mine = self._real_depth[codec.samples], self._depth(codec, waves)
        found = np.full(len(waves), np.nan)
        for one in np.unique(style):
            of_style = real[self.held_out.style == one]
            if np.isfinite(of_style).any():
                found[style == one] = mine[style == one] / np.nanmean(of_style)
        return self.mean_over(None)(found)

    @staticmethod
    def _depth(codec: Codec, waves: Floats) -> NDArray[np.float64]:
        levels = decibels(codec, encoded(codec, waves))
        return frame_depth(levels, loud_frames(levels), frame_rate=codec.sample_rate / codec.config.hop)

    @cached_property
    def style_values(self) -> Floats:
        """Values of the tags of each style (style, tag)."""
        first = [int(np.flatnonzero(self.notes.style == one)[0]) for one in range(len(self.notes.styles))]
        return self.notes.values[first]

    def swaps(self, model: Autoencoder) -> Swap | None:
        """Held-out notes, encoded, and decoded in another style that real notes of their pitch have.

        None where the model takes no styles, or no note has a counterpart.
        """
        source, target = self.swap_pairs
        usable = known_pitches(model.attributes, source.pitch)
        if not model.attributes.names or not usable.any():
            return None
        source, target = source.where(usable), target[usable]
        waves = source.waves(model.peak_db)
        latent = model.encode(waves)
        condition = conditions_of(model.attributes, self.notes.names, self.style_values[target], source.pitch)
        swapped = model.waves(latent, condition)
        predictions = {evaluator.name: evaluator.predict(swapped, self.rate) for evaluator in self.evaluators}
        mean = self.mean_over(source.recording)
        predicted = self.accuracy("", predictions, target, source.pitch, source.recording, swapped)
        stayed = self.accuracy("", predictions, source.style, None, source.recording)
        embeddings, spectra = self._nearer(model, source, target, swapped, predictions)
        nearer = mean(embeddings), mean(spectra)
        return Swap(len(source), predicted.style, stayed.style, predicted.pitch, predicted.tuned, *nearer)

    @cached_property
    def swap_pairs(self) -> tuple[StyledNotes, Whole]:
        """Held-out notes, and for each another style that has notes of its pitch (note,)."""
        notes = self.held_out.where(self.held_out.pitch >= 0).some(self.counts.swaps, self.seed)
        random, target = np.random.default_rng((self.seed, 2)), np.full(len(notes), -1, np.int64)
        for place, (style, pitch) in enumerate(zip(notes.style, notes.pitch, strict=True)):
            others = [one for one, span in enumerate(self.ranges) if one != style and pitch in span]
            if others:
                target[place] = random.choice(others)
        return notes.where(target >= 0), target[target >= 0]

    def _nearer(
        self,
        model: Autoencoder,
        source: StyledNotes,
        target: Whole,
        swapped: Floats,
        predictions: dict[str, Predictions],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """1 where a swapped note is nearer to real notes of its new style and pitch than to its source (note,): in the
        evaluators' embeddings, and by log-spectral distance. Distances to several counterparts are averaged."""
        known = {(s, p): np.flatnonzero((self.notes.style == s) & (self.notes.pitch == p))
                 for s, p in set(zip(target.tolist(), source.pitch.tolist(), strict=True))}  # fmt: skip
        known = {key: places[:: max(1, len(places) // 3)][:3] for key, places in known.items()}
        others = self.notes.where(np.unique(np.concatenate(list(known.values()))))
        place = {int(row): number for number, row in enumerate(others.rows)}
        real, mine = self._real_predictions(others), self._real_predictions(source)
        floor = model.codec.config.floor
        level = model.peak_db if model.peak_db is not None else -1.0
        spectra = [
            magnitudes(model.codec, encoded(model.codec, one))
            for one in (others.waves(level), source.waves(level), at_peak(swapped, level))
        ]
        near, near_spectrum = np.zeros((len(self.evaluators), len(source))), np.zeros(len(source))
        for number, key in enumerate(zip(target.tolist(), source.pitch.tolist(), strict=True)):
            places = [place[int(self.notes.rows[one])] for one in known[key]]
            for index, evaluator in enumerate(self.evaluators):
                at = predictions[evaluator.name].embedding[number]
                to_new = np.linalg.norm(real[evaluator.name].embedding[places] - at, axis=1).mean()
                near[index, number] = to_new < np.linalg.norm(mine[evaluator.name].embedding[number] - at)
            to_new = np.mean(
                [log_spectral_distance(spectra[0][one], spectra[2][number], floor=floor) for one in places]
            )
            to_old = log_spectral_distance(spectra[1][number], spectra[2][number], floor=floor)
            near_spectrum[number] = to_new < to_old
        return near.mean(axis=0), near_spectrum

    def mixing(self, model: Autoencoder) -> Mixing | None:
        """Two styles of one pitch mixed at weights from 0 to 1; None where the model takes no styles."""
        if not model.attributes.names:
            return None
        random, pairs = np.random.default_rng((self.seed, 3)), []

        def known(pitch: Whole) -> Whole:
            return pitch[known_pitches(model.attributes, pitch)]

        choices = [
            (a, b, common)
            for a in range(len(self.ranges))
            for b in range(len(self.ranges))
            if a != b and len(common := known(np.intersect1d(self.ranges[a], self.ranges[b])))
        ]
        if not choices:
            return None
        for number in random.permutation(max(len(choices), self.counts.mixtures))[: self.counts.mixtures]:
            a, b, common = choices[number % len(choices)]
            pairs.append((a, b, int(random.choice(common))))
        weight = np.linspace(0, 1, self.counts.steps)
        first, second, pitch = (np.repeat(np.array(one), len(weight)) for one in zip(*pairs, strict=True))
        share = np.tile(weight, len(pairs))[:, None].astype(np.float32)
        values = share * self.style_values[first] + (1 - share) * self.style_values[second]
        latent = np.repeat(random.standard_normal((len(pairs), model.latent_size)), len(weight), axis=0)
        condition = conditions_of(model.attributes, self.notes.names, values, pitch)
        waves = model.waves(latent.astype(np.float32), condition)
        each, steady = [], []
        for evaluator in self.evaluators:
            predicted, columns = evaluator.predict(waves, self.rate).style, self.columns[evaluator.name]
            row = np.arange(len(waves))
            odds = predicted[row, columns[first]] - predicted[row, columns[second]]
            odds = odds.reshape(-1, len(weight))
            each.append(monotonicity(weight, odds))
            steady.append((np.diff(odds, axis=1) >= 0).all(axis=1))
        mean = self.mean_over(None)
        return Mixing(len(each[0]), mean(np.mean(each, axis=0)), mean(np.mean(steady, axis=0)))

    # ── how it sounds

    def fad(self, waves: Floats) -> float | None:
        """Fréchet distance of sounds to real notes of the train split; None without an embedding.

        In a covariance of fewer notes than dimensions it is biased: compare with that of as many real notes.
        """
        if self.embed is None or len(waves) < 2:
            return None
        return frechet_distance(self._real_moments, Moments().add(self.embed(waves)))

    @cached_property
    def _real_moments(self) -> Moments:
        assert self.embed is not None
        notes = self.train.where(self.train.style >= 0).some(2 * self.counts.prior, self.seed)
        return Moments().add(self.embed(notes.waves(-1.0)))

    @cached_property
    def real_fad(self) -> float | None:
        """The same of held-out notes, at most as many as samples of the prior."""
        return self.fad(self.held_out.some(self.counts.prior, self.seed).waves(-1.0))

    # ── all of it

    def measure(self, model: Autoencoder, *, digest: str = "", facts: dict[str, Any] | None = None) -> LatentFigures:
        """All figures of one autoencoder.

        Raises:
            UserError: the corpus has another rate or length than the model's, or no held-out note at its pitches.
        """
        refuse_misfit(model, self.notes.corpus)
        pitched = known_pitches(model.attributes, self.held_out.pitch)
        if not pitched.any():
            raise UserError(
                f"{model.name} plays none of the pitches of the {self.split} split of {self.notes.corpus.path}: give "
                "the corpus that it was trained on, or one of its pitches."
            )
        say, counts, warnings = self.say, self.counts, list(self.notes.warnings)
        if missing := [one for one in model.attributes.names if one not in self.notes.names]:
            warnings.append(f"No note of {self.notes.corpus.path} has the style tag {missing[0]!r}.")
        say(f"{model.name}: latents")
        notes = self.notes.some(counts.latents, self.seed)
        latents = self.latents(model, notes)
        leakage = [*self.leakage(latents, notes), *self.leakage(latents, notes, held_out=True)]
        say(f"{model.name}: reconstruction")
        copied = self.held_out.where(pitched).some(counts.reconstructions, self.seed)
        accuracy, swap, mixed, fad, level_modulation = [], None, None, dict[str, float | None](), MISSING
        rebuilt = self.reconstruction(model, copied)
        if self.evaluators:
            say(f"{model.name}: samples of the prior")
            accuracy = [*self.real_accuracy()]
            for which in (PRIOR_COMMON, PRIOR_OWN, PRIOR_ANY):
                if (found := self.samples(model, which)) is not None:
                    accuracy.append(found[0])
                    if which == PRIOR_OWN:
                        level_modulation = self.level_modulation(model.codec, found[1], found[2])
                        fad = {"prior": self.fad(found[1]), "real": self.real_fad}
            say(f"{model.name}: styles swapped and mixed")
            swap, mixed = self.swaps(model), self.mixing(model)
        return LatentFigures(
            model.name, digest, model.latent_size, tuple(leakage), self.prior_fit(latents), rebuilt, tuple(accuracy),
            swap, mixed, level_modulation, {key: one for key, one in fad.items() if one is not None},
            warnings=tuple(warnings), facts=facts or {},
        )  # fmt: skip

    def mean_over(self, groups: NDArray[Any] | None) -> Callable[[NDArray[Any]], Estimate]:
        """Mean of what is finite, with its interval over groups."""

        def mean(values: NDArray[Any]) -> Estimate:
            known = np.isfinite(values)
            if not known.any():
                return MISSING
            kept = None if groups is None else groups[known]
            return mean_estimate(values[known].astype(np.float64), kept, self.counts.resamples, self.seed)

        return mean


def _corrected(one: Probe) -> Estimate:
    return Estimate(one.corrected, spread=one.error if np.isfinite(one.error) else None)


def _pitch_hits(predicted: NDArray[np.float64], pitches: Whole, target: Whole) -> dict[str, NDArray[np.float64]]:
    """1 where semitone, octave and both are predicted rightly (note,); NaN where there is no target."""
    shares = np.exp(predicted)
    semitone = np.stack([shares[:, pitches % SEMITONES == one].sum(axis=1) for one in range(SEMITONES)], axis=1)
    octaves = np.unique(octave_of(pitches))
    octave = np.stack([shares[:, octave_of(pitches) == one].sum(axis=1) for one in octaves], axis=1)
    hits = {
        "semitone": semitone.argmax(axis=1) == target % SEMITONES,
        "octave": octaves[octave.argmax(axis=1)] == octave_of(target),
        "pitch": pitches[shares.argmax(axis=1)] == target,
    }
    return {key: np.where(target >= 0, hit, np.nan) for key, hit in hits.items()}


def _mean_or_none(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def refuse_misfit(model: Autoencoder, corpus: Corpus) -> None:
    """Raises UserError where a corpus has another rate or length than a model."""
    if (model.codec.sample_rate, model.codec.samples) != (corpus.sample_rate, corpus.samples):
        raise UserError(
            f"{model.name} was trained on notes of {model.codec.samples / model.codec.sample_rate:g} s at "
            f"{model.codec.sample_rate} Hz, those of {corpus.path} have {corpus.samples / corpus.sample_rate:g} s at "
            f"{corpus.sample_rate} Hz: give the corpus that it was trained on, or one made alike."
        )
