"""Digits become a corpus of pictures, exactly; IDX files that lie, end early or go on are refused in a sentence."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from darktimbre.corpus import mnist
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.digits import import_digits, read_idx
from darktimbre.corpus.mnist import DIGESTS, _is_right, fetch_mnist
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note

SIDE = 28


def idx_bytes(values: np.ndarray, *, kind: int = 8, shape: tuple[int, ...] | None = None) -> bytes:
    sizes = values.shape if shape is None else shape
    header = bytes((0, 0, kind, len(sizes))) + b"".join(size.to_bytes(4, "big") for size in sizes)
    return header + values.astype(np.uint8).tobytes()


def write_four(folder: Path, *, counts: tuple[int, int] = (40, 10), packed: bool = False) -> dict[str, np.ndarray]:
    """MNIST's four files with random pictures; what lies in them by name."""
    random, made = np.random.default_rng(3), {}
    folder.mkdir(exist_ok=True)
    for prefix, count in zip(("train", "t10k"), counts, strict=True):
        made[f"{prefix}-images-idx3-ubyte"] = random.integers(0, 256, (count, SIDE, SIDE), dtype=np.uint8)
        made[f"{prefix}-labels-idx1-ubyte"] = np.arange(count, dtype=np.uint8) % 10
    for name, values in made.items():
        contents = idx_bytes(values)
        (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(contents, mtime=0) if packed else contents)
    return made


@pytest.mark.parametrize("packed", [False, True])
def test_every_pixel_and_label_comes_back(tmp_path, packed):
    made = write_four(tmp_path / "idx", packed=packed)
    corpus = import_digits(tmp_path / "c", folder=tmp_path / "idx")
    assert corpus.picture == (1, SIDE, SIDE)
    pictures = corpus.pictures(range(len(corpus)))
    assert pictures.dtype == np.float32
    wanted = np.concatenate([made["train-images-idx3-ubyte"], made["t10k-images-idx3-ubyte"]])
    np.testing.assert_array_equal(np.rint((pictures[:, 0].astype(np.float64) + 1) * 127.5), wanted)
    assert (pictures.min(), pictures.max()) == (-1, 1)  # 0 and 255 are exactly the ends
    assert corpus.column("category").tolist() == [str(n % 10) for n in (*range(40), *range(10))]


def test_the_test_file_is_the_test_split_and_valid_is_drawn_from_train_by_hash(tmp_path):
    write_four(tmp_path / "idx", counts=(2000, 30))
    corpus = import_digits(tmp_path / "c", folder=tmp_path / "idx")
    assert corpus.rows("test").tolist() == list(range(2000, 2030))
    assert 150 < len(corpus.rows("valid")) < 250
    write_four(tmp_path / "fewer", counts=(500, 30))
    fewer = import_digits(tmp_path / "d", folder=tmp_path / "fewer")
    assert fewer.rows("valid").tolist() == [row for row in corpus.rows("valid").tolist() if row < 500]


def test_bundled_digits_lie_as_mnists_do(tmp_path):
    corpus = import_digits(tmp_path / "c")
    assert len(corpus) == 1797
    assert all(len(corpus.rows(split)) > 100 for split in ("train", "valid", "test"))
    ink = (corpus.pictures(np.arange(0, 1797, 7))[:, 0] + 1) / 2
    place = np.arange(SIDE)
    weight = ink.sum(axis=(1, 2))
    for axis in (1, 2):
        centre = (ink.sum(axis=axis) * place).sum(axis=1) / weight
        # MNIST's centre of mass is the middle; a box that would leave the picture stays at its edge
        assert np.median(np.abs(centre - 13.5)) <= 0.5
        assert np.abs(centre - 13.5).max() < 2
    assert ink.max() > 0.95


def test_mnist_itself(shared, tmp_path):
    folder = shared("digits")
    for name in DIGESTS:
        assert _is_right(folder / f"{name}.gz", name)
    values = read_idx(folder / "t10k-labels-idx1-ubyte.gz", dimensions=1)
    assert np.bincount(values).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]  # as published


GOOD = idx_bytes(np.zeros((2, 3, 3)))


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        (b"", "cut short: 0 of 4"),
        (b"\0\0\x08", "cut short: 3 of 4"),
        (b"PNG\x03" + GOOD[4:], "no IDX file: it begins with 50 4e"),
        (idx_bytes(np.zeros((2, 3, 3)), kind=0x0D), "IDX type 0x0d"),
        (idx_bytes(np.zeros(5)), r"1 dimensions \(labels\) where 3"),
        (GOOD[:12], "cut short: 8 of 12"),
        (GOOD[:-1], "cut short: 17 of 18"),
        (GOOD + b"x", "goes on after the 2 × 3 × 3"),
        (idx_bytes(np.zeros(0), shape=(0, 28, 28)), "is empty"),
        (idx_bytes(np.zeros(9), shape=(2**32 - 1, 2**32 - 1, 2**32 - 1)), "more than 256 MiB"),
        (idx_bytes(np.zeros(9), shape=(200_000, 28, 28)), "cut short: 9 of 156,800,000"),
        (gzip.compress(GOOD, mtime=0)[:-9], "gzip stream has no end"),
        (gzip.compress(GOOD, mtime=0)[:-8] + b"\0" * 8, "damaged"),
        (gzip.compress(GOOD, mtime=0)[:10] + b"\xff" * 30, "damaged"),
        (gzip.compress(GOOD + b"more", mtime=0), "goes on after"),
    ],
)
def test_hostile_idx_files_are_refused_in_a_sentence(tmp_path, contents, sentence):
    path = tmp_path / "x-images-idx3-ubyte"
    path.write_bytes(contents)
    with pytest.raises(UserError, match=sentence):
        read_idx(path, dimensions=3)


def test_a_gzip_bomb_is_unpacked_no_further_than_its_header_says(tmp_path, monkeypatch):
    path, taken = tmp_path / "bomb", []
    path.write_bytes(gzip.compress(GOOD + bytes(64 << 20)))
    original = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda self, size=-1: taken.append(size) or original(self, size))
    with pytest.raises(UserError, match="goes on after"):
        read_idx(path, dimensions=3)
    assert 0 <= sum(taken) < 64
    assert min(taken) >= 0


def test_what_is_missing_or_does_not_fit_is_reported(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        import_digits(tmp_path / "c", folder=tmp_path / "nowhere")
    folder = tmp_path / "idx"
    made = write_four(folder)
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(UserError, match=r"no t10k-labels-idx1-ubyte or .*--fetch"):
        import_digits(tmp_path / "c", folder=folder)
    labels = made["t10k-labels-idx1-ubyte"]
    for wrong, sentence in ((labels[:-1], "10 pictures, .* 9 labels"), (np.where(labels == 3, 10, labels), "is 10")):
        (folder / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(wrong))
        with pytest.raises(UserError, match=sentence):
            import_digits(tmp_path / "c", folder=folder)
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(np.zeros((10, 32, 32))))
    with pytest.raises(UserError, match=r"32 × 32 pixels; the digit recipes are for 28 × 28"):
        import_digits(tmp_path / "c", folder=folder)
    assert not (tmp_path / "c").exists()


def test_a_fetched_file_with_other_contents_is_thrown_away(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "_download", lambda name, target: target.write_bytes(gzip.compress(GOOD, mtime=0)))
    with pytest.raises(UserError, match="is not MNIST's file"):
        fetch_mnist(tmp_path / "idx")
    assert not list((tmp_path / "idx").iterdir())


def test_a_file_that_is_there_and_right_is_not_fetched_again(shared, tmp_path, monkeypatch):
    def refuse(name, target):
        raise AssertionError(name)

    monkeypatch.setattr(mnist, "_download", refuse)
    for name in DIGESTS:
        (tmp_path / f"{name}.gz").write_bytes((shared("digits") / f"{name}.gz").read_bytes())
    assert fetch_mnist(tmp_path) == tmp_path


def test_sounds_and_pictures_refuse_each_other(run, tmp_path):
    write_four(tmp_path / "idx")
    import_digits(tmp_path / "pictures", folder=tmp_path / "idx")
    with CorpusWriter(tmp_path / "sounds", sample_rate=8000, samples=100) as writer:
        writer.add(Note(id="a", instrument="i", origin="", seconds=0.1), np.zeros(100))
    with pytest.raises(UserError, match="holds pictures, not sounds"):
        Corpus.open(tmp_path / "pictures")
    with pytest.raises(UserError, match="holds sounds, not pictures"):
        Corpus.open(tmp_path / "sounds", of="pictures")
    calls = (
        ["tag", tmp_path / "pictures", "--teacher", "embedded"],
        ["attributes", tmp_path / "pictures", "--teacher", "embedded"],
        ["train", "darkgan-small", "--corpus", tmp_path / "pictures", "--run", tmp_path / "r"],
        ["train", "inception", "--dry-run", "--corpus", tmp_path / "pictures"],
        ["evaluate", "starter", "--corpus", tmp_path / "pictures", "--out", tmp_path / "e", "--teacher", "embedded"],
        ["train", "digits-dcgan", "--corpus", tmp_path / "sounds", "--run", tmp_path / "r"],
    )
    for call in calls:
        said = run(*call, status=2)
        assert "holds pictures, not sounds" in said or "holds sounds, not pictures" in said
    assert not (tmp_path / "r").exists()


def test_info_prints_and_draws_digits(run, tmp_path):
    write_four(tmp_path / "idx")
    assert "50 pictures of 1 × 28 × 28" in run("import", "digits", tmp_path / "c", "--from", tmp_path / "idx")
    assert "1 × 28 × 28" in run("info", tmp_path / "c", "--plot", tmp_path / "c.png", "--verify")
    assert (tmp_path / "c.png").stat().st_size > 10_000
    assert "--force" in run("import", "digits", tmp_path / "c", status=2)


def test_a_wrong_shape_in_corpus_json_is_refused(tmp_path):
    write_four(tmp_path / "idx")
    import_digits(tmp_path / "c", folder=tmp_path / "idx")
    meta = (tmp_path / "c" / "corpus.json").read_text()
    for shape in ("[1, 28, 29]", "[784]", '"big"', "[-1, -28, 28]"):
        (tmp_path / "c" / "corpus.json").write_text(
            meta.replace('"picture": [\n    1,\n    28,\n    28\n  ]', f'"picture": {shape}')
        )
        with pytest.raises(UserError, match="make the corpus again"):
            Corpus.open(tmp_path / "c", of="pictures")
