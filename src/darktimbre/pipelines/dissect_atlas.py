"""`darktimbre dissect atlas`: what excites units of a discriminator, encoder, teacher or note classifier."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from darktimbre.audio.loudness import at_peak
from darktimbre.bundle.classifier import NoteClassifier
from darktimbre.dissection import atlas
from darktimbre.dissection.effects import Unit
from darktimbre.dissection.objectives import channel
from darktimbre.dissection.parametrisations import Latent, Wave
from darktimbre.dissection.search import maximise
from darktimbre.dissection.subject import (
    Condition,
    Subject,
    critic_of,
    encoder_of,
    generator_of,
    layers_of,
    teacher_of,
)
from darktimbre.dissection.transforms import AUDIO
from darktimbre.extractors.described import Floats
from darktimbre.measures.interval import bootstrap_mean
from darktimbre.notes.errors import UserError
from darktimbre.pipelines.dissect import Workplace
from darktimbre.pipelines.dissect_cache import Cell, Cells
from darktimbre.pipelines.steps import Reporter
from darktimbre.report import cards

OF = ("critic", "encoder", "teacher", "classifier")
UNITS, NOTES, ROWS = 32, 480, 2  # units of an atlas, real notes, optimised inputs of a kind
STEPS, RATES = 48, {"wave": 0.01, "latent": 0.2}
PEAK_DB = -3.0  # of what is played: optimised waves may be faint
ABOUT = (
    "For each unit the nine real notes that excite it most, and sounds that were optimised to. Real notes come first: "
    "people tell what a unit does from natural examples more often than from optimised ones (92 % against 82 %)."
)


@dataclass(frozen=True)
class Page:
    """What is shown of a unit."""

    unit: Unit
    values: Floats  # on real notes (note,)
    best: np.ndarray  # their nine best, the first the most exciting
    optimised: dict[str, Cell]  # by kind: wave, value, score
    score: tuple[float, float, float]  # machine interpretability by real examples, with its interval
    by_optimised: tuple[float, float, float]


def dissect_atlas(
    bundle: str, corpus: Path, out: Path, reporter: Reporter, *,
    of: str = "", count: int = UNITS, teacher: str | None = None, classifier: Path | None = None, quick: bool = False,
    seed: int = 0,
) -> list[Page]:  # fmt: skip
    """Writes the page and its figures into `out`; a run that was killed goes on unit by unit.

    Raises:
        UserError: bundle, corpus and teacher do not belong together, or there is no such network.
    """
    work = Workplace.open(bundle, corpus, teacher, classifier, seed)
    of = of or ("critic" if work.instrument.bundle.discriminator is not None else "encoder")
    subject = subject_of(work, of)
    count, steps = (min(count, 4), 16) if quick else (count, STEPS)
    rows = work.rows(("train", "valid"), 96 if quick else NOTES)
    waves, layers = work.corpus.waves(rows), layers_of(subject.network)
    cells = Cells(
        out / "cache", "atlas", of, *work.digests, len(rows), steps, str(work.classifier and work.classifier.digest)
    )

    def of_real() -> Cell:
        found, scores = atlas.of_real(subject, waves, layers)
        return {**found, "critic's scores": scores, "embedding": torch.from_numpy(embedded(work, of, waves))}

    real = cells.cell("real", of_real)
    units = atlas.spread_over({name: real[name].shape[1] for name in layers}, count, seed)
    pages = []
    with reporter.progress("looking at units", unit="units") as update:
        for number, unit in enumerate(units):
            make = partial(made, work, subject, unit, of, steps, seed)
            cell = cells.cell(f"{unit.layer}-{unit.number}", make)
            pages.append(page_of(unit, real, cell, seed))
            update(number + 1, len(units))
    address = cards.write(
        out, f"Atlas of the {of} of {bundle}", ABOUT, _sections(work, rows, waves, real, pages),
        {"of": of, "notes": len(rows), "units": [figures(work, rows, real, page) for page in pages]},
    )  # fmt: skip
    reporter.say(f"{len(pages)} units; the page is {address}.")
    return pages


def subject_of(work: Workplace, of: str) -> Subject:
    """The network looked at. Raises UserError: there is none of that name here."""
    if of == "critic":
        return critic_of(work.instrument, work.tagger)
    if of == "encoder":
        return encoder_of(work.instrument, work.tagger)
    if of == "teacher":
        return teacher_of(work.tagger, work.instrument)
    if of == "classifier" and work.classifier is not None:
        return classifier_of(work, work.classifier)
    if of == "classifier":
        raise UserError("Name a classifier of `darktimbre train inception` with --classifier.")
    raise UserError(f"There is no network {of!r} to look at; choose one of {', '.join(OF)}.")


def classifier_of(work: Workplace, classifier: NoteClassifier) -> Subject:
    """The corpus's classifier, of waves; its labels are pitches."""
    network: nn.Module = classifier.build()

    def run(wave: Tensor, condition: Condition) -> Tensor:
        logits: Tensor = network(wave).pitch
        return logits

    around = generator_of(work.instrument, work.tagger)
    return replace(around, network=network, takes="wave", run=run, labels=[str(one) for one in classifier.pitches])


def embedded(work: Workplace, of: str, waves: Floats) -> Floats:
    """Embeddings of waves by a network other than the one looked at, for the machine interpretability score."""
    if work.evaluator is not None and of != "classifier":
        return work.evaluator.extract(waves, work.corpus.sample_rate)["embedding"]
    return np.asarray(work.tagger.embed(torch.from_numpy(waves)))


def made(work: Workplace, subject: Subject, unit: Unit, of: str, steps: int, seed: int) -> Cell:
    """The unit's optimised waves and latents, with embeddings."""
    written = {"wave": Wave(work.corpus.samples, ROWS), "latent": Latent(work.instrument, rows=ROWS, subject=subject)}
    cell: Cell = {}
    for kind, one in written.items():
        goal, robust = channel(unit.layer, unit.number), AUDIO if kind == "wave" else ()
        found = maximise(goal, one, subject, robust=robust, steps=steps, rate=RATES[kind], seed=seed)
        with torch.no_grad():
            seen = found.seen()
            score = seen.score if subject.critic is not None else torch.full_like(found.values, torch.nan)
            cell |= {f"{kind} wave": seen.form("wave"), f"{kind} value": found.values, f"{kind} score": score}
    both = torch.cat([cell["wave wave"], cell["latent wave"]]).numpy()
    return cell | {"embedding": torch.from_numpy(embedded(work, of, both.astype(np.float32)))}


def page_of(unit: Unit, real: Cell, cell: Cell, seed: int) -> Page:
    values = real[unit.layer][:, unit.number].numpy()
    order = np.argsort(-values, kind="stable")[: atlas.BEST]
    embedding = real["embedding"].numpy()
    scores = [
        bootstrap_mean(atlas.interpretability(values, embedding, shown, seed=seed))
        for shown in (None, cell["embedding"].numpy())
    ]
    return Page(unit, values, order, {"": cell}, (*scores[0],), (*scores[1],))


def figures(work: Workplace, rows: np.ndarray, real: Cell, page: Page) -> dict[str, Any]:
    """Plain values of a unit; the activation of optimised inputs as a ratio of the real maximum."""
    cell, top = page.optimised[""], float(page.values.max())
    scored = np.isfinite(float(real["critic's scores"][0]))
    ratio = {kind: float(cell[f"{kind} value"].max()) / max(abs(top), 1e-9) for kind in RATES}
    score = {kind: float(cell[f"{kind} score"].mean()) for kind in RATES} if scored else {}
    if scored:
        score["real"] = float(real["critic's scores"].numpy()[page.best].mean())
    return {
        "layer": page.unit.layer, "unit": page.unit.number, "real maximum": top, "ratio": ratio, "critic": score,
        "interpretability": list(page.score), "by optimised": list(page.by_optimised),
        "notes": [work.title(int(rows[one])) for one in page.best],
    }  # fmt: skip


# ── the page ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _sections(work: Workplace, rows: np.ndarray, waves: Floats, real: Cell, pages: list[Page]) -> list[cards.Section]:
    every = [figures(work, rows, real, page) for page in pages]
    table = [
        [
            "layer",
            "units",
            "clear",
            "optimised wave / real",
            "optimised latent / real",
            "read by real notes",
            "by optimised",
        ]
    ]
    for layer in dict.fromkeys(page.unit.layer for page in pages):
        mine = [(page, one) for page, one in zip(pages, every, strict=True) if page.unit.layer == layer]
        clear = sum(page.score[1] > 0.5 for page, _ in mine)
        ratios = [f"{np.median([one['ratio'][kind] for _, one in mine]):.2f}" for kind in RATES]
        read = [
            f"{np.mean([score[0] for score in each]):.2f}"
            for each in ([p.score for p, _ in mine], [p.by_optimised for p, _ in mine])
        ]
        table.append([layer, str(len(mine)), str(clear), *ratios, *read])
    text = (
        "Ratios are of the activation to its maximum over the real notes (medians). Read: machine interpretability "
        "score, with what certainty another network tells an exciting note from one that is not; 0.5 is chance."
    )
    items = [_item(work, rows, waves, page, one) for page, one in zip(pages, every, strict=True)]
    return [cards.Section("Layers", text, table=table), cards.Section("Units", "", items)]


def _item(work: Workplace, rows: np.ndarray, waves: Floats, page: Page, figures: dict[str, Any]) -> cards.Item:
    rate, cell = work.corpus.sample_rate, page.optimised[""]
    half = waves[page.best][:, : waves.shape[1] // 2] * np.linspace(1, 0, waves.shape[1] // 2, dtype=np.float32) ** 0.3
    sounds = [cards.Sound("its nine best real notes, half of each", half.reshape(-1), rate)]
    for kind in RATES:
        best = int(cell[f"{kind} value"].argmax())
        loud = at_peak(cell[f"{kind} wave"][best][None].numpy(), PEAK_DB, 1e-9)[0]
        sounds.append(cards.Sound(f"optimised {kind}", loud.astype(np.float32), rate))
    bars = [
        cards.Bar("read by real notes, over chance", *(one - 0.5 for one in page.score)),
        cards.Bar("read by optimised, over chance", *(one - 0.5 for one in page.by_optimised)),
        *(cards.Bar(f"optimised {kind} / real maximum", figures["ratio"][kind]) for kind in RATES),
        *(cards.Bar(f"critic's score, {kind}", value) for kind, value in figures["critic"].items()),
    ]
    notes = list(dict.fromkeys(title.split(", MIDI")[0] for title in figures["notes"]))
    verdict = ", ".join(notes[:4]) if page.score[1] > 0.5 else f"{cards.NOTHING}: {', '.join(notes[:4])}"
    pictures = [cards.Sound(work.title(int(rows[page.best[0]])), waves[page.best[0]], rate), *sounds[1:]]
    title = f"{page.unit.layer}, unit {page.unit.number}"
    return cards.Item(title, verdict, bars, sounds, [one.picture for one in pictures])
