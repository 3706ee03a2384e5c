"""Extractors: the features of a note do not depend on the notes beside it, and what is compared is extracted alike."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.bundle.tiny import NAMES
from tests.evaluation.tones import RATE, SAMPLES, ToneTagger, tone_corpus

from darktimbre.extractors.extractors import (
    BATCH,
    ClassifierExtractor,
    EmbeddingExtractor,
    Extractor,
    PitchExtractor,
    SoundExtractor,
    SwiftExtractor,
    TeacherExtractor,
)
from darktimbre.notes.errors import UserError
from darktimbre.tagging.store import Tags
from darktimbre.teachers.tagger import load

NOTES = BATCH + 5


def tones(hertz: np.ndarray, seconds: float = 0.25, rate: int = RATE) -> np.ndarray:
    """(note, sample): six partials each, no two notes equally loud."""
    time = np.arange(round(seconds * rate)) / rate
    waves = sum(
        np.sin(2 * np.pi * np.outer(hertz, k * time)) / k * (hertz * k < rate / 2)[:, None] for k in range(1, 7)
    )
    return (0.3 * waves / np.linspace(1, 4, len(hertz))[:, None]).astype(np.float32)


class Networks:
    """A classifier that counts what it is handed."""

    sample_rate, samples, digest = RATE, SAMPLES, "e" * 64

    def __init__(self) -> None:
        self.batches: list[int] = []
        random = torch.Generator().manual_seed(0)
        self.weight = torch.randn(SAMPLES, 9, generator=random)

    def predict(self, waves: torch.Tensor) -> SimpleNamespace:
        """Three linear maps of the wave."""
        self.batches.append(len(waves))
        found = waves @ self.weight
        return SimpleNamespace(pitch=found[:, :3], family=found[:, 3:5], embedding=found[:, 5:])


def extractors() -> list[Extractor]:
    embedded = load("embedded")
    return [
        TeacherExtractor(embedded, None),
        TeacherExtractor(embedded, ("Trumpet", "Guitar")),
        EmbeddingExtractor(embedded),
        ClassifierExtractor(Networks()),  # type: ignore[arg-type]
        PitchExtractor(RATE),
        SoundExtractor(RATE),
    ]


@pytest.mark.parametrize("number", range(6))
def test_features_of_a_note_do_not_depend_on_its_neighbours(number: int) -> None:
    extractor, waves = extractors()[number], tones(np.geomspace(80, 900, NOTES))
    whole = extractor.extract(waves, RATE)
    for size in (7, BATCH):
        for first in range(0, NOTES, size):
            part = extractor.extract(waves[first : first + size], RATE)
            assert part.keys() == whole.keys()
            for name, values in part.items():
                wanted = whole[name][first : first + size]
                assert values.shape == wanted.shape
                assert np.allclose(values, wanted, rtol=1e-3 if name == "logits" else 1e-5, atol=1e-5, equal_nan=True)


def test_the_last_batch_is_filled_up_and_what_fills_it_is_dropped() -> None:
    networks = Networks()
    found = ClassifierExtractor(networks).extract(tones(np.full(NOTES, 200.0)), RATE)  # type: ignore[arg-type]
    assert networks.batches == [BATCH] * 2
    assert {name: len(values) for name, values in found.items()} == {
        "pitch": NOTES,
        "family": NOTES,
        "embedding": NOTES,
    }


def test_a_teacher_predicts_as_when_the_corpus_was_tagged(tmp_path) -> None:
    corpus = tone_corpus(tmp_path / "tones")
    found = TeacherExtractor(ToneTagger(), NAMES).extract(corpus.waves(np.arange(len(corpus))), RATE)
    tags = Tags.open(corpus.path, "fake")
    assert found.keys() == {"logits"}
    assert np.array_equal(found["logits"], tags.logits()[:, tags.columns(NAMES)])


def test_a_teacher_of_all_labels_gives_labels_and_embedding() -> None:
    teacher, waves = load("embedded"), tones(np.array([110.0, 440.0]), rate=16000)
    found = TeacherExtractor(teacher, None).extract(waves, 16000)
    names = (teacher.labels[200], teacher.labels[3])
    some = TeacherExtractor(teacher, names).extract(waves, 16000)
    assert np.array_equal(found["logits"][:, [200, 3]], some["logits"])
    assert np.allclose(found["embedding"], teacher.embed(torch.from_numpy(waves)).numpy(), atol=1e-5)
    assert np.array_equal(EmbeddingExtractor(teacher).extract(waves, 16000)["embedding"], found["embedding"])


def test_sounds_of_another_rate_are_brought_to_the_teachers() -> None:
    slow, fast = (tones(np.array([220.0, 330.0]), seconds=1.0, rate=rate) for rate in (16000, 48000))
    teacher = EmbeddingExtractor(load("embedded"))
    one, other = teacher.extract(slow, 16000)["embedding"], teacher.extract(fast, 48000)["embedding"]
    assert np.linalg.norm(one - other) < 0.05 * np.linalg.norm(one)


def test_the_fundamental_is_found_at_the_ends_of_a_piano_when_the_search_knows_them() -> None:
    rate, ends = 16000, np.array([27.5, 4186.0])
    waves = tones(ends, seconds=0.5, rate=rate)
    found = PitchExtractor(rate, ends).extract(waves, rate)
    assert (np.abs(1200 * np.log2(found["f0"] / ends)) < 50).all()
    assert (found["confidence"] > 0.8).all()
    default = PitchExtractor(rate).extract(waves, rate)["f0"]
    assert not (np.abs(1200 * np.log2(default / ends)) < 50).any()
    assert PitchExtractor(rate, np.array([200.0])).digest == PitchExtractor(rate).digest
    assert PitchExtractor(rate, ends).digest != PitchExtractor(rate).digest


def test_noise_has_no_fundamental() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (3, 4000)).astype(np.float32)
    assert np.isnan(PitchExtractor(RATE).extract(noise, RATE)["f0"]).all()


def test_level_unevenness_and_modulation_are_those_of_the_sound() -> None:
    rate, time = 16000, np.arange(16000) / 16000
    levels = np.array([0.0, -6.0, -12.0, -18.0, -24.0, -30.0])
    uneven = levels + np.array([0.0, -10.0, 6.0, -10.0, 6.0, 0.0])
    tones = [sum(10 ** (db / 20) * np.sin(2 * np.pi * 250 * (k + 1) * time) for k, db in enumerate(each))
             for each in (levels, levels, uneven)]  # fmt: skip
    waves = (0.1 * np.stack(tones)).astype(np.float32)
    waves[1] *= (1 + 0.5 * np.sin(2 * np.pi * 6 * time)) / 2
    found = SoundExtractor(rate).extract(waves, rate)
    assert np.allclose(found["f0"], 250, rtol=0.01)
    assert found["level"] == pytest.approx(10 * np.log10(np.square(waves, dtype=np.float64).mean(axis=1)), abs=1e-3)
    assert found["unevenness"][0] == pytest.approx(0, abs=0.5)
    assert found["unevenness"][2] > 5
    assert found["modulation"][0] < 0.2
    assert found["modulation"][1] == pytest.approx(3.2, abs=0.8)  # a swing of 9.5 dB
    quiet = SoundExtractor(rate).extract(np.zeros((1, rate), np.float32), rate)
    assert quiet["level"] == pytest.approx(-100)
    assert np.isnan(quiet["unevenness"]).all()


def test_swift_f0_agrees_with_yin() -> None:
    pytest.importorskip("swift_f0", reason="swift-f0 is not installed (pip install darktimbre[evaluate])")
    hertz = np.array([110.0, 220.0, 523.0])
    waves = tones(hertz, seconds=1.0, rate=16000)
    found = SwiftExtractor().extract(np.concatenate([waves, np.zeros_like(waves[:1])]), 16000)["f0"]
    assert (np.abs(1200 * np.log2(found[:3] / hertz)) < 30).all()
    assert np.isnan(found[3])


def test_digests_differ_with_all_that_features_depend_on() -> None:
    tagger, other = ToneTagger(), ToneTagger()
    other.digest = "0" * 64
    each = [
        TeacherExtractor(tagger, None),
        TeacherExtractor(tagger, ()),
        TeacherExtractor(tagger, NAMES),
        TeacherExtractor(tagger, NAMES[::-1]),
        TeacherExtractor(other, NAMES),
        EmbeddingExtractor(tagger),
        EmbeddingExtractor(other),
        PitchExtractor(RATE),
        SoundExtractor(RATE),
    ]
    assert len({one.digest for one in each}) == len(each)
    assert TeacherExtractor(ToneTagger(), NAMES).digest == TeacherExtractor(tagger, NAMES).digest


def test_a_label_that_the_teacher_does_not_know_is_refused() -> None:
    with pytest.raises(UserError, match="fake does not know 'Kazoo'"):
        TeacherExtractor(ToneTagger(), ("Trumpet", "Kazoo"))


def test_a_classifier_of_another_length_or_rate_is_refused() -> None:
    waves = tones(np.array([200.0]))
    with pytest.raises(UserError, match="2000 samples at 8000 Hz, these sounds have 2000 at 16000 Hz"):
        ClassifierExtractor(Networks()).extract(waves, 16000)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="these sounds have 1999 at 8000 Hz"):
        ClassifierExtractor(Networks()).extract(waves[:, :1999], RATE)  # type: ignore[arg-type]


def test_features_that_are_no_number_are_refused() -> None:
    waves = tones(np.full(5, 200.0))
    waves[2] = 0  # this classifier divides by loudness

    class Broken(Networks):
        def predict(self, waves: torch.Tensor) -> SimpleNamespace:
            return super().predict(waves / waves.std(1, keepdim=True))

    with pytest.raises(UserError, match="classifier gives no finite pitch for 1 of 5 sounds"):
        ClassifierExtractor(Broken()).extract(waves, RATE)  # type: ignore[arg-type]
