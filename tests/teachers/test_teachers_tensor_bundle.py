"""TensorFlow's checkpoints, written here as TensorFlow writes them, and what is no checkpoint."""

import contextlib
import zipfile

import numpy as np
import pytest
from tests.teachers.tensor_bundles import musicnn_variables, musicnn_wheel, tensor_bundle

from darktimbre.notes.errors import UserError
from darktimbre.teachers import weights
from darktimbre.teachers.tensor_bundle import read_bundle


def some_arrays() -> dict[str, np.ndarray]:
    """Names that share beginnings, enough for several blocks; every type that is read, and one that is not."""
    random = np.random.default_rng(0)
    found = {f"layer_{n}/kernel": random.normal(size=(n % 3, 2, n)).astype(np.float32) for n in range(70)}
    return {**found, "step": np.int64(1 << 40), "small": np.arange(3, dtype=np.int32), "wide": random.normal(size=5)}


def test_every_tensor_comes_back():
    arrays = some_arrays()
    index, data = tensor_bundle({**arrays, "flag": np.array(True)})
    found = read_bundle(index, data)
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert found[name].shape == np.shape(array)
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)


def test_what_is_no_checkpoint_is_refused():
    index, data = tensor_bundle(some_arrays())
    with pytest.raises(ValueError, match="does not end"):
        read_bundle(index[:-1], data)
    with pytest.raises(ValueError, match="does not lie"):
        read_bundle(index, data[:-1])
    with pytest.raises(ValueError, match="several shards"):
        read_bundle(tensor_bundle(some_arrays(), shards=2)[0], data)
    for place in np.random.default_rng(1).integers(0, len(index), 300):  # no damage ends otherwise than in ValueError
        damaged = index[:place] + bytes([index[place] ^ 255]) + index[place + 1 :]
        with contextlib.suppress(ValueError):
            read_bundle(damaged, data)


def test_the_wheel_is_converted_once(tmp_path, home):
    wheel = musicnn_wheel(tmp_path / "musicnn-0.1.0-py3-none-any.whl", musicnn_variables())
    kept = weights.add("musicnn", wheel)
    assert kept == home / "musicnn.safetensors"
    assert weights.verify() == {"musicnn": "ok"}
    assert kept.stat().st_size < wheel.stat().st_size  # no optimiser's state


@pytest.mark.parametrize("harm", ["missing", "shape", "not finite", "no wheel", "another wheel"])
def test_another_file_is_refused(tmp_path, home, harm):
    variables = musicnn_variables()
    if harm == "missing":
        del variables["conv2d_5/kernel"]
    elif harm == "shape":
        variables["dense/bias"] = variables["dense/bias"][:-1]
    elif harm == "not finite":
        variables["dense/bias"] = variables["dense/bias"] * np.float32(np.nan)
    wheel = musicnn_wheel(tmp_path / "musicnn.whl", variables)
    if harm == "no wheel":
        wheel.write_bytes(b"PK\3\4 and nothing more")
    elif harm == "another wheel":
        with zipfile.ZipFile(wheel, "w") as empty:
            empty.writestr("other/__init__.py", "")
    with pytest.raises(UserError, match=r"musicnn\.whl"):
        weights.add("musicnn", wheel)
    assert not any(home.iterdir())


def test_without_weights_the_remedy_names_no_teacher():
    with pytest.raises(UserError, match=r"weights fetch musicnn.*FILE` with a file you have\.$"):
        weights.locate("musicnn")
