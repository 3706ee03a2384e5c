"""The collection of broken and odd files: each ends where its index says it must, and the run ends, too."""

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from darktimbre.audio.guarded import guarded_map
from darktimbre.audio.prepare import Shape, prepare
from darktimbre.corpus.folder import import_folder

RATE = 16_000


def expected_refusal(row: dict[str, str]) -> str | None:
    """Why a file must be refused, by what its INDEX row says; None if it must be accepted.

    `open` is libsndfile's complaint; `frames`, `sr`, `peak` and `nonfinite` are what it reads; `wav` ends in
    "data=promised/present", the bytes of the data chunk. MPEG streams may hold fewer frames than estimated ("got N"),
    for that number is no promise.
    """
    if row["open"].startswith("ERR"):
        return "open"
    promised, present = (
        (int(n) for n in row["wav"].rpartition("data=")[2].split("/")) if "data=" in row["wav"] else (0, 0)
    )
    if promised != 2**32 - 1 and promised - present > 0.01 * promised:  # 2^32 - 1: RF64, the size stands elsewhere
        return "truncated"
    if int(row["nonfinite"]):
        return "not finite"
    if round(int(row["frames"]) * RATE / int(row["sr"])) < 1:
        return "no frames" if row["frames"] == "0" else "shorter"
    return "silent" if float(row["peak"]) == 0 else None


def test_every_defect_ends_as_its_index_says(shared: Callable[[str], Path], tmp_path: Path) -> None:
    src = shared("sounds/defects")
    with (src / "INDEX.csv").open(newline="") as handle:
        index = {Path(row["path"]).name: row for row in csv.DictReader(handle)}  # all names differ
    files = {str(file.relative_to(src)) for file in src.rglob("*") if file.is_file() and file.name != "INDEX.csv"}
    assert len(files) > 50

    summary = import_folder(src, tmp_path / "out", workers=2)

    accepted, refused = set(summary.corpus.column("origin")), dict(summary.rejected)
    assert accepted | refused.keys() == files
    assert accepted.isdisjoint(refused)
    assert summary.ignored == {".csv": 1}
    print(f"{len(accepted)} accepted, {len(refused)} rejected")
    for file in sorted(files):
        reason = expected_refusal(index[Path(file).name])
        assert (file in refused) == (reason is not None), f"{file}: {reason} expected, got {refused.get(file)}"
        if reason not in (None, "open"):
            assert reason in refused[file]
    assert summary.bad_share == pytest.approx(len(refused) / len(files))


def test_no_defect_makes_a_worker_grow(shared: Callable[[str], Path]) -> None:
    src = shared("sounds/defects")
    files = [file for file in sorted(src.rglob("*")) if file.is_file()]
    task = partial(prepare, shape=Shape(sample_rate=RATE, samples=RATE))
    tight, wide = (
        [(outcome.reason, outcome.value is None) for outcome in guarded_map(task, files, workers=1, memory=memory)]
        for memory in (512 << 20, 4 << 30)
    )
    assert tight == wide


def test_one_shots_are_all_taken_by_class(shared: Callable[[str], Path], tmp_path: Path) -> None:
    src = shared("sounds/one-shots")
    summary = import_folder(src, tmp_path / "out", licence="CC0-1.0", workers=2)
    corpus = summary.corpus
    assert len(corpus) == sum(file.is_file() for file in src.rglob("*"))
    assert not summary.rejected
    assert set(corpus.column("category")) == {"drums", "synths"}
    assert {"kicks", "snares", "hi hats", "perc"} <= set(corpus.column("subcategory"))
    assert (corpus.column("pitch") == -1).all()  # their names hold note letters at most, and no octave
    assert (corpus.column("rms_db") > -90).all()
