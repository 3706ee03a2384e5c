"""Extraction in blocks: nothing depends on their size, each is rendered once, and a killed evaluation resumes."""

import multiprocessing
import os
import signal
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.bundle.tiny import NAMES, tiny_bundle
from tests.evaluation.tones import SAMPLES

from darktimbre.extractors.extract import extract
from darktimbre.extractors.extractors import PitchExtractor, TeacherExtractor
from darktimbre.extractors.sources import Source, generated_source
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.teachers.tagger import load


class Counted(Source):
    """Sounds that are their own numbers; `rendered` lists the ranges that were rendered."""

    def __init__(self, count: int, samples: int = 8, digest: str = "a" * 64) -> None:
        rendered: list[tuple[int, int]] = []

        def waves(first: int, stop: int) -> np.ndarray:
            rendered.append((first, stop))
            return np.repeat(np.arange(first, stop, dtype=np.float32)[:, None], samples, axis=1)

        super().__init__("numbers", digest, count, 8000, samples, waves)
        object.__setattr__(self, "rendered", rendered)

    rendered: list[tuple[int, int]]


class Echo:
    """Describes a sound's number times a factor, and its samples."""

    def __init__(self, name: str = "echo", factor: float = 1.0, width: int = 3) -> None:
        self.name, self.factor, self.width, self.notes = name, factor, width, 0
        self.digest = f"{factor}-{width}"

    def extract(self, waves: np.ndarray, rate: int) -> dict[str, np.ndarray]:
        self.notes += len(waves)
        return {"number": waves[:, 0].astype(np.float64) * self.factor, "wave": waves[:, : self.width]}


def test_sounds_and_features_do_not_depend_on_the_block() -> None:
    synthesizer, random = Synthesizer(tiny_bundle()), np.random.default_rng(0)
    condition = synthesizer.attributes.condition([n % 3 for n in range(70)], random.random((70, len(NAMES))))
    source = generated_source(synthesizer, condition, synthesizer.latents(0, 70))
    teacher = TeacherExtractor(load("embedded"), None)
    fundamental, echo = PitchExtractor(source.sample_rate), Echo(width=SAMPLES)
    small, large = (extract(source, [teacher, fundamental, echo], cache=None, block=block) for block in (16, 64))
    assert np.array_equal(small["echo"]["wave"], large["echo"]["wave"])
    for name, features in small.items():
        for key, values in features.items():
            assert values.dtype == np.float32
            assert len(values) == 70
            assert np.allclose(values, large[name][key], rtol=1e-5, atol=1e-5, equal_nan=True), (name, key)


def test_each_block_is_rendered_once_for_all_that_lack_it(tmp_path: Path) -> None:
    source, first, second = Counted(10), Echo("one"), Echo("two", 2.0)
    counted: list[int] = []
    found = extract(source, [first], cache=tmp_path, block=4)
    assert source.rendered == [(0, 4), (4, 8), (8, 10)]
    both = extract(source, [first, second], cache=tmp_path, block=4, progress=counted.append)
    assert source.rendered[3:] == [(0, 4), (4, 8), (8, 10)]
    assert (first.notes, second.notes) == (10, 10)
    again = extract(source, [second, first], cache=tmp_path, block=4)
    assert len(source.rendered) == 6
    assert counted == [4, 4, 2]
    assert np.array_equal(found["one"]["number"], np.arange(10))
    for answer in (both, again):
        assert np.array_equal(answer["one"]["number"], np.arange(10))
        assert np.array_equal(answer["two"]["number"], 2 * np.arange(10))
        assert answer["two"]["wave"].shape == (10, 3)


def test_without_a_cache_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    extract(Counted(5), [Echo()], cache=None)
    assert not list(tmp_path.iterdir())


def test_other_sounds_another_listener_and_another_block_are_heard_for_themselves(tmp_path: Path) -> None:
    extract(Counted(10), [Echo()], cache=tmp_path, block=4)
    for source, extractor, block in (
        (Counted(10, digest="b" * 64), Echo(), 4),
        (Counted(10), Echo(factor=2.0), 4),
        (Counted(10), Echo(), 5),
    ):
        found = extract(source, [extractor], cache=tmp_path, block=block)
        assert extractor.notes == 10
        assert np.array_equal(found["echo"]["number"], extractor.factor * np.arange(10))


def files(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.heard"))


@pytest.mark.parametrize("harm", ["cut short", "a bit flipped", "empty", "another block's", "another extractor's"])
def test_what_was_damaged_or_is_of_something_else_is_heard_anew(tmp_path: Path, harm: str) -> None:
    extract(Counted(12), [Echo()], cache=tmp_path / "cache", block=4)
    extract(Counted(12), [Echo(factor=3.0)], cache=tmp_path / "other", block=4)
    victim, whole = files(tmp_path / "cache")[1], files(tmp_path / "cache")[1].read_bytes()
    harmed = {
        "cut short": whole[:-7],
        "a bit flipped": whole[:-90] + bytes([whole[-90] ^ 1]) + whole[-89:],
        "empty": b"",
        "another block's": files(tmp_path / "cache")[0].read_bytes(),
        "another extractor's": files(tmp_path / "other")[1].read_bytes(),
    }
    victim.write_bytes(harmed[harm])
    source = Counted(12)
    found = extract(source, [Echo()], cache=tmp_path / "cache", block=4)
    assert source.rendered == [(4, 8)]
    assert np.array_equal(found["echo"]["number"], np.arange(12))
    assert victim.read_bytes() == whole  # mended


def killed(cache: Path, where: str, last: int) -> None:
    """Extracts until the `last` time that features are computed, or put into the cache."""
    echo, calls = Echo(), 0

    def die(original: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments)

        return counted

    if where == "extracting":
        echo.extract = die(echo.extract)  # type: ignore[method-assign]
    else:
        os.replace = die(os.replace)
    extract(Counted(20), [echo], cache=cache, block=4)


@pytest.mark.parametrize("where", ["extracting", "writing"])
def test_after_kill_9_only_the_missing_blocks_are_rendered(tmp_path: Path, where: str) -> None:
    victim = multiprocessing.get_context("fork").Process(target=killed, args=(tmp_path, where, 4))
    victim.start()
    victim.join(60)
    assert victim.exitcode == -signal.SIGKILL
    assert len(files(tmp_path)) == 3
    assert len(list(tmp_path.rglob("*.partial"))) == (where == "writing")
    source = Counted(20)
    counted: list[int] = []
    found = extract(source, [Echo()], cache=tmp_path, block=4, progress=counted.append)
    assert source.rendered == [(12, 16), (16, 20)]
    assert sum(counted) == 20
    untouched = extract(Counted(20), [Echo()], cache=None, block=20)
    assert all(np.array_equal(found["echo"][key], untouched["echo"][key]) for key in ("number", "wave"))
    assert len(files(tmp_path)) == 5
    assert not list(tmp_path.rglob("*.partial"))


def test_four_thousand_notes_take_the_memory_of_a_block_and_the_features(tmp_path: Path) -> None:
    notes, samples, block, width = 4000, 16000, 64, 256
    source, echo = Counted(notes, samples), Echo(width=width)
    features, sounds = notes * (width + 1) * 4, block * samples * 4  # bytes; all sounds would be 256 MB
    for _ in ("extracted", "cached"):
        tracemalloc.start()
        try:
            found = extract(source, [echo], cache=tmp_path, block=block)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert np.array_equal(found["echo"]["number"], np.arange(notes))
        assert peak < features + 3 * sounds
    assert max(stop - first for first, stop in source.rendered) == block
    assert len(source.rendered) == -(-notes // block)
