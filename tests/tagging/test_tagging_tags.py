"""Tags: aligned with the rows, resumable at shards, refused for other weights, resampled where rates differ."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from darktimbre.corpus import corpus as corpus_module
from darktimbre.corpus import writer as writer_module
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note
from darktimbre.tagging.store import Tags
from darktimbre.tagging.tag import logits_of, tag_corpus

RATE, SAMPLES, NOTES, SHARD = 8_000, 800, 50, 16


class FakeTagger:
    """A tagger whose logits are mean, mean square and number of samples; counts the notes it was given."""

    name = "fake"
    labels = ("mean", "power", "samples")

    def __init__(self, digest: str = "a" * 64, sample_rate: int = RATE, fail_after: int | None = None) -> None:
        self.digest, self.sample_rate, self.fail_after, self.notes = digest, sample_rate, fail_after, 0

    def logits(self, waves: Tensor) -> Tensor:
        self.notes += len(waves)
        if self.fail_after is not None and self.notes > self.fail_after:
            os._exit(9)  # as if killed: nothing is flushed or cleaned up
        size = torch.full((len(waves),), waves.shape[1] / 100.0)
        return torch.stack([waves.mean(1) * 1000, waves.square().mean(1) * 100, size], dim=1)

    def embed(self, waves: Tensor) -> Tensor:
        return self.logits(waves)


def make_corpus(path: Path) -> Corpus:
    """Noise of rising level in four shards."""
    random = np.random.default_rng(0)
    with CorpusWriter(path, sample_rate=RATE, samples=SAMPLES, name="test", licence="CC0-1.0") as writer:
        for i in range(NOTES):
            note = Note(id=f"n{i}", instrument=f"i{i % 7}", origin="x", seconds=0.1, split_key=f"i{i % 7}")
            writer.add(note, (0.01 + i / NOTES * 0.3) * random.uniform(-1, 1, SAMPLES).astype(np.float32))
    return Corpus.open(path)


@pytest.fixture
def corpus(tmp_path, monkeypatch) -> Corpus:
    for module in (corpus_module, writer_module):
        monkeypatch.setattr(module, "SHARD_ROWS", SHARD, raising=False)
    corpus = make_corpus(tmp_path / "corpus")
    assert len(corpus.shards) == 4
    return corpus


def test_logits_are_those_of_the_rows(corpus):
    tagger, seen = FakeTagger(), []
    tags = tag_corpus(corpus, tagger, lambda done, whole: seen.append((done, whole)), batch=5)
    expected = tagger.logits(torch.from_numpy(corpus.waves(np.arange(NOTES)))).numpy()
    np.testing.assert_allclose(tags.logits(), expected, rtol=1e-3, atol=1e-2)
    rows = np.array([49, 3, 3, 20])
    np.testing.assert_array_equal(tags.logits(rows), tags.logits()[rows])
    assert len(tags) == NOTES
    assert tags.labels == tagger.labels
    assert seen[0] == (0, NOTES)
    assert seen[-1] == (NOTES, NOTES)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    np.testing.assert_array_equal(tags.columns(["samples", "mean"]), [2, 0])
    with pytest.raises(UserError, match="'loudness'"):
        tags.columns(["loudness"])


def test_answers_do_not_depend_on_the_batch(corpus, tmp_path):
    a = tag_corpus(corpus, FakeTagger(), batch=3).logits()
    b = tag_corpus(corpus, FakeTagger(digest="b" * 64), batch=64, force=True).logits()
    np.testing.assert_allclose(a, b, rtol=2e-3)


def test_killed_run_goes_on_at_its_shard(corpus, tmp_path):
    """Ends the process without any clean-up in the middle of the third shard, as kill -9 would."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "import test_tagging_tags as t\n"
        "t.tag_corpus(t.Corpus.open(sys.argv[1]), t.FakeTagger(fail_after=40), batch=4)\n"
    )
    command = [sys.executable, "-c", code, str(corpus.path), str(Path(__file__).parent)]
    assert subprocess.run(command, check=False).returncode == 9
    with pytest.raises(UserError, match="did not finish"):
        Tags.open(corpus.path, "fake")
    tagger, seen = FakeTagger(), []
    tags = tag_corpus(corpus, tagger, lambda done, whole: seen.append(done))
    assert tagger.notes == NOTES - 2 * SHARD  # the third shard again, then the last
    assert seen[0] == 2 * SHARD
    np.testing.assert_allclose(
        tags.logits(),
        FakeTagger().logits(torch.from_numpy(corpus.waves(np.arange(NOTES)))).numpy(),
        rtol=1e-3,
        atol=1e-2,
    )


def test_a_shard_cut_short_is_tagged_again(corpus):
    tags = tag_corpus(corpus, FakeTagger())
    shard = tags.path / "00001.npy"
    shard.write_bytes(shard.read_bytes()[:-10])
    with pytest.raises(UserError, match=r"did not finish \(at shard 1\)"):
        Tags.open(corpus.path, "fake")
    tagger = FakeTagger()
    tag_corpus(corpus, tagger)
    assert tagger.notes == SHARD


def test_done_is_done(corpus):
    tag_corpus(corpus, FakeTagger())
    again = FakeTagger()
    tag_corpus(corpus, again)
    assert again.notes == 0


def test_other_weights_are_refused_unless_forced(corpus):
    tag_corpus(corpus, FakeTagger())
    with pytest.raises(UserError, match=r"weights aaaaaaaaaaaa…, not bbbbbbbbbbbb….*--force"):
        tag_corpus(corpus, FakeTagger(digest="b" * 64))
    assert Tags.open(corpus.path, "fake").digest == "a" * 64
    assert tag_corpus(corpus, FakeTagger(digest="b" * 64), force=True).digest == "b" * 64


def test_unreadable_tags_are_refused_unless_forced(corpus):
    tags = tag_corpus(corpus, FakeTagger())
    (tags.path / "tags.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match="--force"):
        tag_corpus(corpus, FakeTagger())
    assert len(tag_corpus(corpus, FakeTagger(), force=True)) == NOTES


def test_changed_corpus_is_noticed(corpus):
    tag_corpus(corpus, FakeTagger())
    meta = json.loads((corpus.path / "corpus.json").read_text())
    (corpus.path / "corpus.json").write_text(json.dumps({**meta, "digest": "other"}))
    with pytest.raises(UserError, match="has changed since"):
        Tags.open(corpus.path, "fake")
    with pytest.raises(UserError, match="earlier state"):
        tag_corpus(Corpus.open(corpus.path), FakeTagger())


def test_absent_tags_end_in_the_command(corpus):
    with pytest.raises(UserError, match=r"darktimbre tag .* --teacher yamnet"):
        Tags.open(corpus.path, "yamnet")


def test_answers_that_are_no_numbers_are_named(corpus):
    class Broken(FakeTagger):
        def logits(self, waves: Tensor) -> Tensor:
            answer = super().logits(waves)
            answer[2, 1] = float("nan")
            return answer

    with pytest.raises(UserError, match="'n2'"):
        tag_corpus(corpus, Broken())


def test_other_rates_are_resampled():
    """A tone keeps its frequency and level in a teacher of another rate."""

    class Frequency(FakeTagger):
        def logits(self, waves: Tensor) -> Tensor:
            spectrum = torch.fft.rfft(waves).abs()
            hertz = spectrum.argmax(1) * self.sample_rate / waves.shape[1]
            return torch.stack([hertz, waves.abs().amax(1), torch.full((len(waves),), float(waves.shape[1]))], dim=1)

    time = np.arange(16_000) / 16_000
    tones = np.stack([0.5 * np.sin(2 * np.pi * hz * time) for hz in (440.0, 1000.0)]).astype(np.float32)
    for rate in (16_000, 32_000, 8_000, 44_100):
        answer = logits_of(tones, 16_000, Frequency(sample_rate=rate))
        np.testing.assert_allclose(answer[:, 0], [440.0, 1000.0], atol=1.0)
        np.testing.assert_allclose(answer[:, 1], 0.5, atol=0.06)
        np.testing.assert_array_equal(answer[:, 2], rate)


def test_yamnet_end_to_end(shared, run, corpus):
    """The real thing on a corpus of another rate, through the command line."""
    printed = run("tag", corpus.path, "--teacher", "yamnet", "--weights", shared("teachers/yamnet.tflite"))
    assert f"has tagged {NOTES} notes: {NOTES} now" in printed
    assert Tags.open(corpus.path, "yamnet").logits().shape == (NOTES, 521)
    assert len(json.loads(run("attributes", corpus.path, "--teacher", "yamnet", "--top", 12, "--json"))) == 12
