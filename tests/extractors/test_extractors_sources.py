"""Sounds under evaluation: the same in any portions, named by all they depend on, cut and refused as is right."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.bundle.tiny import NAMES, tiny_autoencoder, tiny_bundle
from tests.evaluation.tones import RATE, SAMPLES, tone_corpus

from darktimbre.bundle.bundle import Bundle
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.extractors.sources import (
    Source,
    generated_source,
    real_source,
    round_trip_source,
    untrained,
)
from darktimbre.models.progressive import Generator
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note
from darktimbre.synthesizer.synthesizer import Synthesizer

NOTES = 21


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return tone_corpus(tmp_path_factory.mktemp("corpora") / "tones")


@pytest.fixture(scope="module")
def synthesizer() -> Synthesizer:
    return Synthesizer(tiny_bundle())


def conditioned(synthesizer: Synthesizer, count: int = NOTES) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = random.random((count, len(NAMES))).astype(np.float32)
    return synthesizer.attributes.condition([row % 3 for row in range(count)], labels), synthesizer.latents(5, count)


def in_portions(source: Source, size: int) -> np.ndarray:
    return np.concatenate(
        [source.waves(first, min(first + size, source.count)) for first in range(0, source.count, size)]
    )


def test_a_range_is_the_same_whatever_portions_it_is_made_in(corpus: Corpus, synthesizer: Synthesizer) -> None:
    rows = np.random.default_rng(1).permutation(len(corpus))[:NOTES]
    sources = (
        real_source(corpus, rows),
        generated_source(synthesizer, *conditioned(synthesizer)),
        round_trip_source(synthesizer, corpus, rows),
    )
    for source in sources:
        whole = source.waves(0, source.count)
        assert whole.shape == (NOTES, SAMPLES)
        assert whole.dtype == np.float32
        assert (source.count, source.samples, source.sample_rate) == (NOTES, SAMPLES, RATE)
        for size in (1, 4, 16):
            assert np.array_equal(in_portions(source, size), whole), source.name


@pytest.mark.parametrize("threads", [1, 3])
def test_a_sound_has_the_same_bits_with_any_number_of_threads(
    corpus: Corpus, synthesizer: Synthesizer, threads: int
) -> None:
    condition, latent = conditioned(synthesizer)
    plain = np.concatenate([synthesizer.waves(condition[n], latent[n]) for n in range(NOTES)])
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        made = generated_source(synthesizer, condition, latent).waves(0, NOTES)
        copied = round_trip_source(synthesizer, corpus, np.arange(NOTES)).waves(0, NOTES)
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(made, plain)
    assert np.array_equal(copied, round_trip_source(synthesizer, corpus, np.arange(NOTES)).waves(0, NOTES))


def test_real_notes_are_the_rows_in_their_order(corpus: Corpus) -> None:
    rows = np.array([7, 3, 3, 50])
    assert np.array_equal(real_source(corpus, rows).waves(1, 4), corpus.waves(rows[1:]))


def test_a_round_trip_gives_back_the_note_and_not_another(corpus: Corpus, synthesizer: Synthesizer) -> None:
    rows = np.arange(9)
    made, notes = round_trip_source(synthesizer, corpus, rows).waves(0, 9), corpus.waves(rows)
    error = ((made - notes) ** 2).sum(1) / (notes**2).sum(1)
    assert (error < 0.05).all(), error


def test_the_digest_changes_with_everything_the_sound_depends_on(corpus: Corpus, synthesizer: Synthesizer) -> None:
    condition, latent = conditioned(synthesizer)
    louder, moved = condition.copy(), latent.copy()
    louder[3, 4] += np.float32(1e-6)
    moved[0, 0] = np.nextafter(moved[0, 0], np.float32(9))
    weights = {name: tensor.clone() for name, tensor in synthesizer.bundle.weights.items()}
    changed = next(name for name in weights if name.endswith("weight"))
    weights[changed].view(-1)[0] += 1e-3
    retrained = Synthesizer(Bundle(synthesizer.bundle.config, weights))
    codec = {**synthesizer.bundle.config["codec"], "low": -9.0, "high": 3.5}
    rescaled = Synthesizer(Bundle({**synthesizer.bundle.config, "codec": codec}, synthesizer.bundle.weights))
    slope = {**synthesizer.bundle.config["network"], "negative_slope": 0.1}
    bent = Synthesizer(Bundle({**synthesizer.bundle.config, "network": slope}, synthesizer.bundle.weights))
    rows = np.arange(NOTES)
    different = [
        generated_source(synthesizer, condition, latent),
        generated_source(synthesizer, louder, latent),
        generated_source(synthesizer, condition, moved),
        generated_source(synthesizer, condition[::-1], latent[::-1]),
        generated_source(synthesizer, condition[:-1], latent[:-1]),
        generated_source(synthesizer, condition, latent, samples=SAMPLES // 2),
        generated_source(retrained, condition, latent),
        generated_source(rescaled, condition, latent),
        generated_source(bent, condition, latent),
        real_source(corpus, rows),
        real_source(corpus, rows[::-1]),
        real_source(corpus, rows[:-1]),
        round_trip_source(synthesizer, corpus, rows),
        round_trip_source(synthesizer, corpus, rows[:-1]),
        round_trip_source(rescaled, corpus, rows),
    ]
    assert len({source.digest for source in different}) == len(different)


def test_the_digest_does_not_depend_on_the_object_or_how_the_arrays_lie(
    corpus: Corpus, synthesizer: Synthesizer
) -> None:
    condition, latent = conditioned(synthesizer)
    again = Synthesizer(tiny_bundle())
    one = generated_source(synthesizer, condition, latent)
    other = generated_source(again, np.asfortranarray(condition), latent.astype(np.float64), samples=SAMPLES)
    assert one.digest == other.digest
    assert np.array_equal(one.waves(2, 5), other.waves(2, 5))
    rows = np.arange(5)
    assert real_source(corpus, rows).digest == real_source(Corpus.open(corpus.path), rows.astype(np.int32)).digest


def test_a_longer_note_is_cut_and_fades_out_in_its_last_ten_milliseconds(synthesizer: Synthesizer) -> None:
    condition, latent = conditioned(synthesizer, 4)
    whole = generated_source(synthesizer, condition, latent).waves(0, 4)
    short = generated_source(synthesizer, condition, latent, samples=SAMPLES // 4)
    cut, fade = short.waves(0, 4), RATE // 100
    assert short.samples == SAMPLES // 4
    assert cut.shape == (4, SAMPLES // 4)
    assert np.array_equal(cut[:, :-fade], whole[:, : SAMPLES // 4 - fade])
    assert (cut[:, -1] == 0).all()
    kept = np.abs(cut[:, -fade:]) <= np.abs(whole[:, SAMPLES // 4 - fade : SAMPLES // 4])
    assert kept.all()
    assert np.abs(whole[:, SAMPLES // 4 - 1]).max() > 0  # there was something to fade


def refusals(corpus: Corpus, synthesizer: Synthesizer) -> dict[str, Callable[[], object]]:
    condition, latent = conditioned(synthesizer, 3)
    other = tiny_bundle()
    other.config["codec"]["sample_rate"] = 11025
    fast = Synthesizer(other)
    return {
        "2000 samples, 8000 are needed": lambda: generated_source(synthesizer, condition, latent, samples=8000),
        "another length or rate than the instrument's": lambda: round_trip_source(fast, corpus, np.arange(3)),
    }


@pytest.mark.parametrize("number", range(2))
def test_what_does_not_compare_is_refused(corpus: Corpus, synthesizer: Synthesizer, number: int) -> None:
    sentence, build = list(refusals(corpus, synthesizer).items())[number]
    with pytest.raises(UserError, match=sentence):
        build()


def test_the_untrained_network_keeps_what_was_fitted_and_nothing_that_was_trained() -> None:

    bundle = tiny_bundle()
    plan = bundle.network.model_copy(update={"whiten": "roots"})
    torch.manual_seed(1)
    trained = Generator(plan)
    assert trained.whiten is not None
    trained.whiten.fit(torch.rand(50, len(NAMES)))
    config = {**bundle.config, "network": plan.model_dump(mode="json")}
    synthesizer = Synthesizer(Bundle(config, trained.state_dict()))
    before = torch.random.get_rng_state()
    fresh = untrained(synthesizer, seed=0)
    assert torch.equal(before, torch.random.get_rng_state())
    old, new = synthesizer.bundle.weights, fresh.bundle.weights
    assert torch.equal(old["whiten.mean"], new["whiten.mean"])
    matrices = [name for name in old if old[name].dim() > 1 and not name.startswith(("whiten", "comb"))]
    assert matrices
    assert all(not torch.equal(old[name], new[name]) for name in matrices)
    again = untrained(synthesizer, seed=0)
    assert again.bundle.digest == fresh.bundle.digest
    assert untrained(synthesizer, seed=1).bundle.digest != fresh.bundle.digest


def test_a_learned_inversion_counts_in_generated_sounds_and_is_told_apart(synthesizer: Synthesizer) -> None:
    coder = tiny_autoencoder(inverter=True)
    moved = {name: tensor + 0.01 if tensor.is_floating_point() else tensor for name, tensor in coder.inverter.items()}  # type: ignore[union-attr]
    instruments = [
        Synthesizer(one) for one in (coder, replace(coder, inverter=moved), coder.inverted_by("griffin-lim"))
    ]
    fed = np.zeros((2, instruments[0].attributes.size), np.float32), np.zeros((2, 3), np.float32)
    assert len({generated_source(one, *fed).digest for one in instruments}) == 3
    assert generated_source(Synthesizer(coder), *fed).digest == generated_source(instruments[0], *fed).digest


def test_a_round_trip_hands_the_inversion_the_written_pitch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instrument = Synthesizer(tiny_autoencoder(inverter=True))
    midi = (60, 61, None, 59, 48, 60)
    with CorpusWriter(tmp_path / "notes", sample_rate=instrument.sample_rate, samples=instrument.samples) as writer:
        for number, pitch in enumerate(midi):
            wave = 0.1 * np.random.default_rng(number).standard_normal(instrument.samples).astype(np.float32)
            name = str(number)
            writer.add(Note(id=name, instrument=name, origin="made", seconds=0.5, pitch=pitch), wave)
    notes = Corpus.open(tmp_path / "notes")
    given: list[float] = []
    decode = instrument.codec.decode

    def watched(pictures: torch.Tensor, pitch: torch.Tensor | None = None) -> torch.Tensor:
        assert pitch is not None
        given.extend(pitch.tolist())
        return decode(pictures, pitch)

    monkeypatch.setattr(instrument.codec, "decode", watched)
    rows = np.arange(len(midi))
    round_trip_source(instrument, notes, rows).waves(0, len(midi))
    assert sorted(pitch for pitch in given if pitch == pitch) == sorted(pitch for pitch in midi if pitch is not None)
    assert len(given) == len(midi)
