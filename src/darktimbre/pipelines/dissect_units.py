"""`darktimbre dissect units`: a generator's units switched off → causal effects, artefact units, A/B."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from darktimbre.dissection import effects as measured
from darktimbre.dissection.effects import Effect, Notes, Unit, rendered
from darktimbre.dissection.subject import layers_of
from darktimbre.extractors.described import PLAIN, Describer, Floats, differences, levelled
from darktimbre.measures.kernel import polynomial_mmd
from darktimbre.notes.errors import UserError
from darktimbre.pipelines.dissect import Workplace
from darktimbre.pipelines.dissect_cache import Cell, Cells
from darktimbre.pipelines.steps import Reporter
from darktimbre.report import cards
from darktimbre.synthesizer.synthesizer import Synthesizer

SHOWN, ARTEFACTS = 24, 5  # units of the page with sound; units that are verified
REAL = 128  # notes that KID is taken to
ABOUT = (
    "Each unit is switched off while the network plays: its activations become 0, or their mean over the notes. What "
    "then changes is its causal effect. Deviations are those of the teacher's logits over real notes, each sound at "
    "the level that it has with all units: a unit that only changes the level moves no word."
)


@dataclass(frozen=True)
class Study:
    """The instrument as trained (unfolded, so that its last stage can be edited too), its notes, and what was found."""

    work: Workplace
    instrument: Synthesizer
    notes: Notes
    describer: Describer
    means: dict[str, Floats]  # of each stage's units over the notes
    found: dict[Unit, dict[str, Floats]]
    effects: dict[str, dict[Unit, list[Effect]]]  # by way of switching off

    @property
    def quantities(self) -> list[str]:
        return [*self.describer.names, *PLAIN]

    def clear(self, unit: Unit) -> list[int]:
        """Labels that a unit clearly moves when it is set to its mean, the most first."""
        each = self.effects["mean"][unit][: -len(PLAIN)]
        return sorted((n for n, one in enumerate(each) if one.clear), key=lambda n: -abs(each[n].value))

    def strength(self, unit: Unit) -> float:
        """The largest clear effect on a label; 0 where there is none."""
        return max((abs(self.effects["mean"][unit][n].value) for n in self.clear(unit)), default=0.0)

    def played(self, notes: Notes, unit: Unit, way: str) -> Floats:
        """Notes without a unit."""
        return rendered(self.instrument, notes, unit.off(self.means[unit.layer], way))


def dissect_units(
    bundle: str, corpus: Path, out: Path, reporter: Reporter, *,
    layers: Sequence[str] = (), teacher: str | None = None, quick: bool = False, seed: int = 0,
) -> Study:  # fmt: skip
    """Writes the page and its figures into `out`; a run that was killed goes on unit by unit.

    Raises:
        UserError: bundle, corpus and teacher do not belong together, or there is no such stage.
    """
    work = Workplace.open(bundle, corpus, teacher, None, seed)
    notes, network = work.notes(("valid",), 8 if quick else 32), work.instrument.bundle.generator()
    setattr(network, "name", "unfolded")  # noqa: B010 (what a synthesizer calls the runtime it is handed)
    instrument = Synthesizer(work.instrument.bundle.with_edits(()), network=network)  # type: ignore[arg-type]
    folded = Synthesizer(work.instrument.bundle.with_edits(()))
    stages = stages_of(network, layers)
    stages = stages[1:2] if quick and not layers else stages
    cells = Cells(out / "cache", "units", "at equal loudness", *work.digests, len(notes))
    describer = work.describer(work.labels(), cells, evaluator=False)
    real = describer.teacher(work.corpus.waves(work.rows(("valid",), REAL)))[1]
    with reporter.progress("switching off", unit="units") as update:
        found = switched_off(instrument, network, notes, stages, describer, real, cells, folded=folded, done=update)
    means = {name: one.mean(0) for name, one in measured.activations(network, notes, stages).items()}
    effects = {way: measured.effects(found, notes.groups, way, seed=seed) for way in measured.WAYS}
    study = Study(work, instrument, notes, describer, means, found, effects)
    artefacts = verified(study, quick)
    page = cards.write(
        out, f"Units of {bundle}", ABOUT, _sections(study, stages, artefacts, 6 if quick else SHOWN),
        {"notes": len(notes), "units": [_figures(study, unit) for unit in found], "artefacts": artefacts},
    )  # fmt: skip
    some = sum(bool(study.clear(unit)) for unit in found)
    reporter.say(f"{some} of {len(found)} units have a clear effect; the page is {page}.")
    return study


def stages_of(network: nn.Module, wanted: Sequence[str]) -> list[str]:
    """The stages that are switched off: those named, or all. Raises UserError: there is none of that name."""
    names = layers_of(network)
    if unknown := [name for name in wanted if name not in names]:
        raise UserError(f"The generator has no stage {unknown[0]!r}; it has {', '.join(names) or 'none'}.")
    return list(wanted) or names


def switched_off(
    instrument: Synthesizer, network: nn.Module, notes: Notes, layers: Sequence[str], describer: Describer,
    real: Floats, cells: Cells, *, folded: Synthesizer | None = None,
    done: Callable[[int, int], None] = lambda done, total: None,
) -> dict[Unit, dict[str, Floats]]:  # fmt: skip
    """For each unit: the differences (note, quantity) of either way, and how far the sounds then are from real ones.

    `network` is what `instrument` plays by, unfolded, so that its last stage can be edited too; `folded` plays the
    other stages, faster. `real`: embeddings of held-out notes. Networks are given each note at the level that it has
    with all units, for they take loudness for words; level itself is measured before. Keys: "zero", "mean" (note,
    quantity), "kid" (2,): below 0 where it draws artefacts.
    """
    means = {name: found.mean(0) for name, found in measured.activations(network, notes, list(layers)).items()}
    plain = rendered(instrument, notes)
    before = describer.describe(plain, notes.midi)
    every = [Unit(name, number) for name in layers for number in range(len(means[name]))]
    distance = polynomial_mmd(real, before.embedding)

    def make(unit: Unit) -> Cell:
        cell: Cell = {}
        distances = []
        for way in measured.WAYS:
            faster = folded if folded is not None and unit.layer in folded.bundle.editable else instrument
            waves = rendered(faster, notes, unit.off(means[unit.layer], way))
            after = describer.describe(waves, notes.midi, like=plain)
            cell[way] = torch.from_numpy(differences(before, after))
            distances.append(polynomial_mmd(real, after.embedding) - distance)
        return cell | {"kid": torch.tensor(distances)}

    found = {}
    for place, unit in enumerate(every):
        cell = cells.cell(f"{unit.layer}-{unit.number}", lambda unit=unit: make(unit))  # type: ignore[misc]
        found[unit] = {key: value.numpy() for key, value in cell.items()}
        done(place + 1, len(every))
    return found


def verified(study: Study, quick: bool) -> list[dict[str, Any]]:
    """The units whose removal lowers KID most on the valid split, and what it does on the test split."""
    falls = [
        (float(cell["kid"][n]), unit.layer, unit.number, way)
        for unit, cell in study.found.items()
        for n, way in enumerate(measured.WAYS)
    ]
    notes, describe = study.work.notes(("test",), 16 if quick else 64), study.describer.teacher
    real = describe(study.work.corpus.waves(study.work.rows(("test",), REAL)))[1]
    plain = rendered(study.instrument, notes)
    distance = polynomial_mmd(real, describe(plain)[1])
    results = []
    for fall, layer, number, way in sorted(falls)[:ARTEFACTS]:
        waves = levelled(study.played(notes, Unit(layer, number), way), plain)
        change = polynomial_mmd(real, describe(waves)[1]) - distance
        verdict = "an artefact unit" if fall < 0 and change < 0 else "not confirmed"
        results.append({"unit": f"{layer}, {number}", "to": way, "valid": fall, "test": change, "verdict": verdict})
    return results


# ── the page ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _sections(
    study: Study, stages: Sequence[str], artefacts: Sequence[dict[str, Any]], shown: int
) -> list[cards.Section]:
    rows = [["stage", "units", "with a clear effect", "largest effect of the median unit"]]
    for stage in stages:
        mine = [unit for unit in study.found if unit.layer == stage]
        sizes = [np.nanmax([abs(one.value) for one in study.effects["mean"][unit][: -len(PLAIN)]]) for unit in mine]
        clear = sum(bool(study.clear(unit)) for unit in mine)
        rows.append([stage, str(len(mine)), str(clear), f"{np.median(sizes):.2f}"])
    cut = [["unit", "set to", "change of KID, valid", "change of KID, test", "verdict"]]
    cut += [[a["unit"], a["to"], f"{a['valid']:+.4f}", f"{a['test']:+.4f}", a["verdict"]] for a in artefacts]
    best = sorted(study.found, key=lambda unit: -study.strength(unit))[:shown]
    return [
        cards.Section("Stages", f"Of {len(study.notes)} notes of instruments that were not trained on.", table=rows),
        cards.Section(
            "Units with the largest effects",
            f"Set to their mean. Dark bars are clear: the 95 % interval leaves out 0, and the effect exceeds that of "
            f"{measured.NULL:.0%} of the units of its stage.",
            [_item(study, unit) for unit in best],
        ),
        cards.Section(
            "Artefact units",
            "The units without which sounds lie nearest to real ones (KID in the teacher's embedding), chosen on the "
            "valid split, and whether that holds on the test split.",
            table=cut,
        ),
    ]


def _item(study: Study, unit: Unit) -> cards.Item:
    each, names, clear = study.effects["mean"][unit], study.quantities, study.clear(unit)
    chosen = [*clear[:3], *range(len(names) - len(PLAIN), len(names))]
    bars = [_bar(names[n], each[n]) for n in chosen]
    one, rate = study.notes.first(1), study.instrument.sample_rate
    sounds = [
        cards.Sound("A: as it is", rendered(study.instrument, one)[0], rate),
        cards.Sound("B: the unit at its mean", study.played(one, unit, "mean")[0], rate),
    ]
    told = ", ".join(f"{names[n]} {'falls' if each[n].value < 0 else 'rises'}" for n in clear[:2])
    title = f"{unit.layer}, unit {unit.number}"
    return cards.Item(title, told or cards.NOTHING, bars, sounds, [sound.picture for sound in sounds])


def _bar(name: str, one: Effect) -> cards.Bar:
    known = np.isfinite([one.value, one.low, one.high]).all()
    return cards.Bar(name, one.value, one.low, one.high) if known else cards.Bar(name, None)


def _figures(study: Study, unit: Unit) -> dict[str, Any]:
    """Of every quantity [effect, low, high, null]; those that are not known are left out."""
    by_way = {
        way: {
            name: [one.value, one.low, one.high, one.null]
            for name, one in zip(study.quantities, study.effects[way][unit], strict=True)
            if np.isfinite([one.value, one.low, one.high]).all()
        }
        for way in measured.WAYS
    }
    kid = dict(zip(measured.WAYS, map(float, study.found[unit]["kid"]), strict=True))
    return {"layer": unit.layer, "unit": unit.number, "kid": kid, **by_way}
