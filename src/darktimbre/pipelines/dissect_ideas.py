"""`dissect ideas`: what the fourth document proposes and did not try, tried: five seeds, equal steps, one page.

Latents of an instrument's generator: noise, dropout, the sphere. Sounds and, where the extra `images` is there,
images: how they are written, each regulariser. Then two units together, and whether what was found explains anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from darktimbre import teachers
from darktimbre.dissection import objectives as but
from darktimbre.dissection.adversarial import perturbed, transfer
from darktimbre.dissection.objectives import Objective, channel, critic_score, interpolation, joint, logit
from darktimbre.dissection.parametrisations import (
    Fourier,
    Latent,
    Parametrisation,
    Phases,
    Picture,
    Pixels,
    Wave,
    magnitudes_of,
)
from darktimbre.dissection.search import Found, maximise
from darktimbre.dissection.subject import Subject, Transform, critic_of, generator_of, layers_of, teacher_of
from darktimbre.dissection.transforms import AUDIO, IMAGE, Bilateral, Blur, Jitter, LatentDropout, LatentNoise, blurred
from darktimbre.pipelines import dissect_image
from darktimbre.pipelines.dissect_cache import Cell, Cells
from darktimbre.pipelines.steps import Reporter
from darktimbre.report.cards import NOTHING, Item, Section, Sound, write
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.teachers.yamnet import PatchTagger

SIDE, CLASS = 128, "grand piano"
WORDS = ("Piano", "Trumpet", "Violin, fiddle")  # sought where the instrument knows them


@dataclass(frozen=True)
class Counts:
    """How much is tried: rows are seeds."""

    seeds: int = 5
    steps: int = 48  # of a latent
    image_steps: int = 64
    sound_steps: int = 40
    units: int = 3
    natural: int = 128  # latents drawn


QUICK = Counts(seeds=2, steps=8, image_steps=3, sound_steps=3, units=2, natural=32)


def ideas(
    instrument: Synthesizer, out: Path, reporter: Reporter, *, layer: str | None = None, counts: Counts | None = None,
    quick: bool = False, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """The whole experiment; a killed run goes on search by search.

    Args:
        instrument: whose generator is looked into.
        out: folder of the report.
        reporter: receives the figures.
        layer: whose units are maximised; by default the middle stage.
        counts: how much is tried.
        quick: little, to see that it works.
        seed: of the starts and the transforms.

    Returns:
        what `report.json` holds.

    Raises:
        UserError: the generator has no such layer.
    """
    counts = counts or (QUICK if quick else Counts())
    subject = generator_of(instrument)
    stages = layers_of(subject.network)
    layer = layer or stages[len(stages) // 2]
    tried = Tried(
        instrument,
        subject,
        layer,
        counts,
        seed,
        Cells(out / "cells", instrument.bundle.digest, layer, seed, repr(counts)),
    )
    parts = [("latents", tried.latents), ("together", tried.together), ("sanity", tried.sanity), ("words", tried.words)]
    if word := hearable(instrument):
        parts.insert(1, ("sounds", partial(tried.sounds, word)))
    else:
        reporter.warn("Sounds are left out: they need a discriminator with words of the shipped teacher, at 16 kHz.")
    if dissect_image.installed():
        parts.insert(1, ("images", tried.images))
    else:
        reporter.warn("Images are left out: they need pip install 'darktimbre[images]'.")
    data: dict[str, Any] = {"layer": layer, "seeds": counts.seeds, "steps": counts.steps, "seed": seed}
    sections = []
    with reporter.progress("ideas", len(parts), "parts") as update:
        for number, (name, part) in enumerate(parts):
            data[name], section = part()
            sections.append(section)
            update(number + 1, len(parts), name)
    page = write(out, "The document's ideas put to the test", ABOUT, sections, data)
    for section in sections:
        reporter.say(section.title)
        for row in section.table[1:]:
            reporter.say("  " + ", ".join(row))
    reporter.say(f"See {page}.")
    return data


ABOUT = "Every row of a table had the same number of steps and the same seeds. What fails is listed like the rest."


def hearable(instrument: Synthesizer) -> str | None:
    """A word that the shipped teacher and the critic's attribute heads both know; None where there is none."""
    critic = instrument.bundle.critic()
    if critic is None or critic.attributes is None:
        return None
    tagger = teachers.load("embedded")
    common = [name for name in instrument.attributes.names if name in tagger.labels]
    wanted = [name for name in WORDS if name in common] or common
    return wanted[0] if wanted and tagger.sample_rate == instrument.sample_rate else None


def heads_of(instrument: Synthesizer) -> Subject:
    """The critic's attribute heads, of waves."""
    around, critic = critic_of(instrument), instrument.bundle.critic()
    assert critic is not None

    def run(wave: Tensor, condition: Tensor | None) -> Tensor:
        pictures = instrument.codec.encode(wave)
        found = [critic(one.expand(critic.config.pac, -1, -1, -1)).attribute_logits[:1] for one in pictures.split(1)]
        return torch.cat(found)

    return replace(around, network=critic, takes="wave", run=run, labels=instrument.attributes.names)


def natural_rows(instrument: Synthesizer, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Conditions of training notes (or the baseline) at pitches in turn, and drawn latents, `(row, …)` each."""
    examples = np.asarray(instrument.bundle.config.get("examples") or [], np.float32)
    pitches, generator = instrument.attributes.pitches, np.random.default_rng(seed)
    pitch = [pitches[row % len(pitches)] for row in range(count)] if pitches else None
    levels: Any = examples[generator.integers(len(examples), size=count)] if len(examples) else [{}] * count
    condition, latent = instrument.controls.fill(pitch, levels, list(range(seed, seed + count)), None)
    return torch.from_numpy(condition[:, : instrument.attributes.size]), torch.from_numpy(latent)


def responses(subject: Subject, latent: Tensor, condition: Tensor, layer: str) -> Tensor:
    """A layer's means over places `(row, unit)`."""
    with torch.no_grad():
        parts = [
            subject.see(some, "latent", condition=these, layers=[layer]).layers[layer].flatten(2).mean(2)
            for some, these in zip(latent.split(32), condition.split(32), strict=True)
        ]
    return torch.cat(parts)


@dataclass(frozen=True)
class Tried:
    """The parts of the experiment: each gives its figures and its section of the page."""

    instrument: Synthesizer
    subject: Subject
    layer: str
    counts: Counts
    seed: int
    cells: Cells

    def search(
        self, name: str, goal: Objective, robust: Sequence[Transform] = (), *, sphere: bool = True,
        subject: Subject | None = None, rows: int | None = None,
    ) -> Found:  # fmt: skip
        """Latents of the instrument at its middle pitch; kept under a name."""
        of, counts = subject or self.subject, self.counts
        written = Latent(self.instrument, self.pitch, rows=rows or counts.seeds, subject=of, sphere=sphere)

        def make() -> dict[str, Tensor]:
            found = maximise(goal, written, robust=robust, steps=counts.steps, seed=self.seed)
            return {"inputs": found.inputs, "values": found.values, "trace": found.trace}

        return Found(kind="latent", condition=written.condition(), subject=of, **self.cells.cell(name, make))

    @property
    def pitch(self) -> float | None:
        pitches = sorted(self.instrument.attributes.pitches)
        return pitches[len(pitches) // 2] if pitches else None

    def drawn(self) -> tuple[Tensor, Tensor]:
        """Latents from N(0, 1) under the condition of the searches, and their responses."""
        latents = torch.from_numpy(self.instrument.latents(list(range(self.counts.natural)), self.counts.natural))
        condition = Latent(self.instrument, self.pitch, rows=1, subject=self.subject).condition()
        assert condition is not None
        conditions = condition.expand(len(latents), -1)
        return latents, responses(self.subject, latents, conditions, self.layer)

    # ── latents ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def latents(self) -> tuple[Any, Section]:
        """Noise, dropout and the sphere: how far a unit goes beyond drawn latents, also beside the point found."""
        variants: dict[str, tuple[Sequence[Transform], bool]] = {
            "free": ((), False), "sphere": ((), True), "sphere, noise 0.2": ([LatentNoise(0.2)], True),
            "sphere, noise 0.5": ([LatentNoise(0.5)], True), "sphere, dropout 10 %": ([LatentDropout(0.1)], True),
            "sphere, dropout 30 %": ([LatentDropout(0.3)], True),
        }  # fmt: skip
        _, natural = self.drawn()
        mean, spread = natural.mean(0), natural.std(0).clamp(min=1e-9)
        found: dict[str, dict[str, float]] = {}
        for name, (robust, sphere) in variants.items():
            away: list[Tensor] = []
            near: list[Tensor] = []
            length: list[Tensor] = []
            for unit in range(self.counts.units):
                one = self.search(f"{name}-{unit}", channel(self.layer, unit), robust, sphere=sphere)
                moved = LatentNoise(0.5)(one.inputs, torch.Generator().manual_seed(self.seed + 1))
                assert one.condition is not None
                for latent, kept in ((one.inputs, away), (moved, near)):
                    reached = responses(self.subject, latent, one.condition, self.layer)[:, unit]
                    kept.append((reached - mean[unit]) / spread[unit])
                length.append(one.inputs.norm(dim=1) / one.inputs.shape[1] ** 0.5)
            found[name] = {
                "deviations": float(torch.cat(away).median()), "after noise": float(torch.cat(near).median()),
                "worst": float(torch.cat(away).min()), "length": float(torch.cat(length).mean()),
            }  # fmt: skip
        heads = ("latent", "median, deviations", "after noise 0.5", "worst seed", "length / √size", "")
        best = max(one["after noise"] for one in found.values() if one["length"] < 1.2)
        rows = [(name, *(f"{value:.2f}" for value in one.values()), _verdict(one, best)) for name, one in found.items()]
        text = (
            f"The mean activation of {self.counts.units} units of {self.layer}, in deviations above that of "
            f"{self.counts.natural} drawn latents; {self.counts.seeds} seeds each. A latent much longer than √size is "
            "one that the generator was never trained on."
        )
        return found, Section("Latents: sphere, noise, dropout", text, table=[heads, *rows])

    # ── images ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def images(self) -> tuple[Any, Section]:
        """How an image is written, and each regulariser, on the classifier of photographs; evaluated by the other."""
        subject, other = (dissect_image.classifier(name) for name in ("lite0", "lite1"))
        size, rows, goal = (3, SIDE, SIDE), self.counts.seeds, logit(CLASS)
        shipped = [dissect_image.photograph(SIDE, name) for name in dissect_image.PHOTOGRAPHS]
        natural = magnitudes_of(torch.cat(shipped))
        moved = (*IMAGE[:3], Jitter(24), IMAGE[4])
        variants: dict[str, tuple[Parametrisation, Objective, Sequence[Transform]]] = {
            "pixels": (Pixels(size, rows), goal, ()),
            "pixels, decorrelated colour": (Pixels(size, rows, colour=True), goal, ()),
            "Fourier, white": (Fourier(size, rows, decay=0.0), goal, ()),
            "Fourier, decay 1": (Fourier(size, rows, decay=1.0), goal, ()),
            "Fourier, decay 1.5": (Fourier(size, rows, decay=1.5), goal, ()),
            "Fourier, decay 1.5, colours as they are": (Fourier(size, rows, decay=1.5, colour=False), goal, ()),
            "phases alone": (Phases(natural, SIDE, rows), goal, ()),
            "pixels − total variation": (Pixels(size, rows), goal - 300 * but.total_variation(), ()),
            "pixels − high frequencies": (Pixels(size, rows), goal - 3000 * but.high_frequency(), ()),
            "pixels − L2": (Pixels(size, rows), goal - 300 * but.l2(), ()),
            "pixels − unlike blurred": (Pixels(size, rows), goal - 3000 * but.unlike_blurred(), ()),
            "pixels − unlike bilateral": (Pixels(size, rows), goal - 3000 * but.unlike_bilateral(), ()),
            "pixels blurred between steps": (Pixels(size, rows, between=partial(blurred, sigma=0.4)), goal, ()),
            "pixels, transforms": (Pixels(size, rows), goal, moved),
            "Fourier, decay 1.5, transforms": (Fourier(size, rows, decay=1.5), goal, moved),
            "the same and blur": (Fourier(size, rows, decay=1.5), goal, (*moved, Blur(2.0))),
        }  # fmt: skip
        found, items = {}, []
        for number, (name, (written, full, robust)) in enumerate(variants.items()):

            def make(written: Any = written, full: Any = full, robust: Any = robust) -> dict[str, Tensor]:
                made = maximise(full, written, subject, robust=robust, steps=self.counts.image_steps, seed=self.seed)
                return {"images": made.inputs}

            images = self.cells.cell(f"image{number}-{self.counts.image_steps}-{rows}", make)["images"]
            one = dissect_image.figures_of(images, subject, other, CLASS)
            found[name] = {
                "goal": repr(full), "p": float(np.median(one["p"])), "blurred": float(np.median(one["p_blurred"])),
                "rank": one["median_rank_other"], "ranks": one["rank_other"],
            }  # fmt: skip
            items.append(
                Item(name, f"rank {one['median_rank_other']:g}", pictures=[dissect_image.shown("", images[0])])
            )
        heads = ("image", "median p", "after a blur", "median rank on lite1", "")
        rows_ = [
            (name, f"{one['p']:.3f}", f"{one['blurred']:.3f}", f"{one['rank']:g}", "" if one["rank"] <= 5 else "fails")
            for name, one in found.items()
        ]
        text = (
            f"“{CLASS}” on EfficientNet-lite0, {self.counts.image_steps} steps, {SIDE} × {SIDE} pixels, {rows} seeds; "
            "enlarged and evaluated by lite1, whose rank (of 1,000) is 5 or less where something is to be seen."
        )
        return found, Section(
            "Images: preconditioning, colours, regularisers, transforms", text, items, [heads, *rows_]
        )

    # ── sounds ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def sounds(self, word: str) -> tuple[Any, Section]:
        """How a sound is written for a word of the shipped teacher; small changes of a note; the critic evaluates."""
        tagger, instrument = teachers.load("embedded"), self.instrument
        assert isinstance(tagger, PatchTagger)
        subject, other = teacher_of(tagger, instrument), heads_of(instrument)
        rows, steps, goal = self.counts.seeds, self.counts.sound_steps, logit(word)
        most = self.levelled(torch.from_numpy(instrument.waves(*self.note(word, most=True))))
        usual = transfer(other, most, "wave", word, apart=True).rank[0]
        sphere = partial(Latent, instrument, self.pitch, rows=rows, subject=subject)
        variants: dict[str, tuple[Parametrisation, Objective, Sequence[Transform], float]] = {
            "wave": (Wave(instrument.samples, rows, level=0.05), goal, (), 0.01),
            "wave, transforms": (Wave(instrument.samples, rows, level=0.05), goal, AUDIO, 0.01),
            "picture": (Picture(instrument, rows), goal, (), 0.05),
            "picture − total variation": (Picture(instrument, rows), goal - 30 * but.total_variation(), (), 0.05),
            "picture, filtered, transforms": (Picture(instrument, rows), goal, (*AUDIO, Bilateral()), 0.05),
            "picture + critic": (Picture(instrument, rows), goal + 0.1 * critic_score(), (), 0.05),
            "latent": (sphere(), goal, (), 0.05),
            "latent, transforms": (sphere(), goal, AUDIO, 0.05),
            "latent + critic": (sphere(), goal + 0.1 * critic_score(), (), 0.05),
        }  # fmt: skip
        found: dict[str, Any] = {}
        items: list[Item] = []
        table: list[tuple[str, ...]] = [("sound", "p, teacher", "p, critic", "median rank on the critic", "")]
        for number, (name, (written, full, robust, rate)) in enumerate(variants.items()):

            def make(written: Any = written, full: Any = full, robust: Any = robust, rate: Any = rate) -> Cell:
                made = maximise(full, written, subject, robust=robust, steps=steps, rate=rate, seed=self.seed)
                return {"waves": made.form("wave")}

            waves = self.levelled(self.cells.cell(f"sound{number}-{word}", make)["waves"])
            here, there = (transfer(one, waves, "wave", word, apart=True) for one in (subject, other))
            rank = float(np.median(there.rank))
            found[name] = {
                "goal": repr(full), "p": list(here.probability), "p_critic": list(there.probability),
                "rank_critic": list(there.rank),
            }  # fmt: skip
            shares = [f"{np.median(one.probability):.3f}" for one in (here, there)]
            table.append((name, *shares, f"{rank:g}", "" if rank <= usual else "fails"))
            sound = Sound(name, waves[0].numpy(), instrument.sample_rate)
            items.append(Item(name, f"rank {rank:g}", sounds=[sound], pictures=[sound.picture]))
        note = self.levelled(torch.from_numpy(instrument.waves(*self.note(word))))
        changes = {f"the same, changed at −{db} dB": perturbed(subject, note, "wave", goal, 10 ** (-db / 20), steps=40)
                   for db in (40, 30, 20)}  # fmt: skip
        for name, changed in {"a note with the word": most, "a note without it": note, **changes}.items():
            here, there = (transfer(one, changed, "wave", word, apart=True) for one in (subject, other))
            found[name] = {"p": here.probability[0], "p_critic": there.probability[0], "rank_critic": there.rank[0]}
            table.append((name, f"{here.probability[0]:.3f}", f"{there.probability[0]:.3f}", str(there.rank[0]), ""))
            sound = Sound(name, changed[0].numpy(), instrument.sample_rate)
            items.append(Item(name, f"p {here.probability[0]:.3f}", sounds=[sound], pictures=[sound.picture]))
        text = (
            f"“{word}” for the shipped teacher, {steps} steps, {rows} seeds; evaluated by the attribute heads of the "
            f"instrument's critic, of {len(other.labels)} words. Both were distilled from one teacher, so agreement is "
            "weaker evidence than lite1's is for images. What it ranks lower than a generated note with "
            "the word, fails. The last rows are adversarial: a generated note, also with an addition below it."
        )
        return found, Section("Sounds: how they are written, transforms, critic, small changes", text, items, table)

    def levelled(self, waves: Tensor) -> Tensor:
        """Waves at the one peak the instrument was trained at, or at −3 dB."""
        peak = 10 ** ((-3.0 if self.instrument.bundle.level_db is None else self.instrument.bundle.level_db) / 20)
        return waves * (peak / waves.abs().amax(1, keepdim=True).clamp(min=1e-6))

    def note(self, word: str, *, most: bool = False) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Condition and latent of the drawn note that has least of a word, or most."""
        condition, latent = natural_rows(self.instrument, self.counts.natural, self.seed)
        place = len(self.instrument.attributes.pitches) + self.instrument.attributes.names.index(word)
        row = int((condition[:, place] * (1 if most else -1)).argmax())
        return condition[row : row + 1].numpy(), latent[row : row + 1].numpy()

    # ── two units together ────────────────────────────────────────────────────────────────────────────────────────────

    def together(self) -> tuple[Any, Section]:
        """Joint optimisation of two units, and all mixtures between them, each with its sound."""
        first, second = channel(self.layer, 0), channel(self.layer, 1)
        _, natural = self.drawn()
        mean, spread = natural.mean(0), natural.std(0).clamp(min=1e-9)
        found: dict[str, list[list[float]]] = {}
        items: list[Item] = []
        rows: list[tuple[str, ...]] = [("goal", "unit 0, deviations", "unit 1, deviations")]
        goals = {
            "alone": first,
            "together": joint(first, second),
            "from one to the other": interpolation(first, second),
        }
        for name, goal in goals.items():
            one = self.search(f"{name}-goal", goal)
            assert one.condition is not None
            reached = ((responses(self.subject, one.inputs, one.condition, self.layer) - mean) / spread)[:, :2]
            found[name] = reached.tolist()
            waves = self.instrument.waves(one.condition.numpy(), one.inputs.numpy())
            for row in range(len(waves) if goal is goals["from one to the other"] else 1):
                title = name if row == 0 else f"{name}, {row} of {len(waves) - 1}"
                sound = Sound(repr(goal), waves[row], self.instrument.sample_rate)
                items.append(Item(title, sounds=[sound], pictures=[sound.picture]))
                rows.append((title, *(f"{value:.2f}" for value in reached[row].tolist())))
        text = f"Units 0 and 1 of {self.layer}; activations in deviations above drawn latents."
        return found, Section("Two units together", text, items, rows)

    # ── does it explain anything? ─────────────────────────────────────────────────────────────────────────────────────

    def sanity(self) -> tuple[Any, Section]:
        """Latents found on a generator of random weights (Adebayo et al. 2018); paths of found and natural inputs."""
        random = self.instrument.bundle.generator()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            for parameter in random.parameters():
                nn.init.normal_(parameter, 0, float(parameter.std()) if parameter.numel() > 1 else 0.01)
        scrambled = replace(self.subject, network=random, run=random, generate=random)
        latents, natural = self.drawn()
        mean, spread = natural.mean(0), natural.std(0).clamp(min=1e-9)
        reach: dict[str, list[float]] = {"sphere": [], "random weights": []}
        for unit in range(self.counts.units):
            for name, subject in (("sphere", self.subject), ("random weights", scrambled)):
                one = self.search(f"{name}-{unit}", channel(self.layer, unit), subject=subject)
                assert one.condition is not None
                reached = responses(self.subject, one.inputs, one.condition, self.layer)[:, unit]
                reach[name] += ((reached - mean[unit]) / spread[unit]).tolist()
        paths = self.paths(latents, natural)
        titles = {"sphere": "its own weights", "random weights": "random weights"}
        rows = [("latents found on", "deviations on the trained generator (median)")]
        rows += [(title, f"{float(np.median(reach[name])):.2f}") for name, title in titles.items()]
        rows += [(f"path similarity at {name}", f"{value:.2f}") for name, value in paths.items()]
        text = (
            "What a search finds on random weights should mean nothing to the trained generator. Path similarity: the "
            "correlation of the activations of found latents with those of the natural ones that excite the same unit "
            "most, over what these have among themselves; 1: processed alike."
        )
        return {"reach": reach, "paths": paths}, Section("Sanity: random weights, paths", text, table=rows)

    def paths(self, latents: Tensor, natural: Tensor) -> dict[str, float]:
        """Layer → similarity of found and natural inputs over that of natural ones (after Geirhos et al. 2024, §4)."""
        layers = layers_of(self.subject.network)
        condition = Latent(self.instrument, self.pitch, rows=self.counts.seeds, subject=self.subject).condition()
        assert condition is not None
        found: dict[str, list[float]] = {name: [] for name in layers}
        for unit in range(self.counts.units):
            one = self.search(f"sphere-{unit}", channel(self.layer, unit))
            best = latents[natural[:, unit].topk(len(one.inputs)).indices]
            for name in layers:
                base = responses(self.subject, latents, condition[:1].expand(len(latents), -1), name).mean(0)
                mine, theirs = (responses(self.subject, one_, condition, name) - base for one_ in (one.inputs, best))
                across = _alike(mine, theirs).mean()
                among = _alike(theirs, theirs)
                off = (among.sum() - among.diagonal().sum()) / max(len(among) * (len(among) - 1), 1)
                if float(off) > 0.05:
                    found[name].append(float(across / off))
        return {name: float(np.median(values)) for name, values in found.items() if values}

    def words(self) -> tuple[Any, Section]:
        """Words that go with a unit over training notes' conditions; do they, rendered, excite it?"""
        names = self.instrument.attributes.names
        if len(names) < 4:
            return {}, Section("Does the explanation explain?", "It takes an instrument with four attributes or more.")
        condition, latent = natural_rows(self.instrument, 4 * self.counts.natural, self.seed)
        first = len(self.instrument.attributes.pitches)
        half, soft = len(condition) // 2, condition[:, first : first + len(names)]
        seen = responses(self.subject, latent, condition, self.layer)
        related = _correlated(soft[:half], seen[:half])  # (word, unit), of the first half
        units = torch.arange(min(16, seen.shape[1]))
        chosen, generator = related[:, units].argmax(0), torch.Generator().manual_seed(self.seed)
        others = torch.randint(len(names), (len(units),), generator=generator)
        held = slice(half, half + min(16, half))

        def raised(word: int, unit: int) -> float:
            """The change of the unit on held-out notes as the word goes to 1, in its deviations."""
            changed = condition[held].clone()
            changed[:, first + word] = 1.0
            after = responses(self.subject, latent[held], changed, self.layer)[:, unit]
            return float((after - seen[held, unit]).mean() / seen[:half, unit].std().clamp(min=1e-9))

        rows = [("unit", "its word", "correlation", "rendered, deviations", "a random word", "")]
        found = []
        for place, unit in enumerate(units.tolist()):
            word, other = int(chosen[place]), int(others[place])
            mine, theirs = raised(word, unit), raised(other, unit)
            found.append({"unit": unit, "word": names[word], "effect": mine, "random": theirs})
            verdict = "explains" if mine > max(0.2, theirs) else NOTHING
            rows.append(
                (str(unit), names[word], f"{float(related[word, unit]):.2f}", f"{mine:.2f}", f"{theirs:.2f}", verdict)
            )
        share = float(np.mean([one["effect"] > one["random"] for one in found]))
        text = (
            f"The word whose value correlates most with a unit of {self.layer} over half of the notes, set to 1 on "
            f"others: {share:.0%} of the units rise more than by a random word. Correlation is no cause."
        )
        return {"units": found, "share": share}, Section("Does the explanation explain?", text, table=rows)


def _verdict(one: Mapping[str, float], best: float) -> str:
    if one["length"] >= 1.2:
        return "leaves the sphere"
    return "best" if one["after noise"] == best else ("fails" if one["deviations"] < 1 else "")


def _alike(a: Tensor, b: Tensor) -> Tensor:
    """Correlations `(row of a, row of b)` over units."""
    centred = [nn.functional.normalize(one - one.mean(1, keepdim=True), dim=1) for one in (a, b)]
    return centred[0] @ centred[1].T


def _correlated(words: Tensor, units: Tensor) -> Tensor:
    """Correlations `(word, unit)` over rows; 0 where either never changes."""
    return torch.nan_to_num(_alike(words.T, units.T))
