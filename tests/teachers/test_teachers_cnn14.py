"""Cnn14: a generated checkpoint of the official layout, loaded strictly; network and front end against plain numpy."""

import librosa
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from darktimbre import teachers
from darktimbre.notes.errors import UserError
from darktimbre.teachers.cnn14 import FRONT_ENDS, Cnn14, Cnn14Tagger, dft_matrices
from darktimbre.teachers.vocabulary import cnn14_labels

WIDTHS = (64, 128, 256, 512, 1024, 2048)


def _layout(n_fft: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the official checkpoint, written down by hand (audioset_tagging_cnn's Cnn14)."""
    bins = n_fft // 2 + 1
    shapes: dict[str, tuple[int, ...]] = {
        "spectrogram_extractor.stft.conv_real.weight": (bins, 1, n_fft),
        "spectrogram_extractor.stft.conv_imag.weight": (bins, 1, n_fft),
        "logmel_extractor.melW": (bins, 64),
    }

    def norm(name: str, width: int) -> None:
        for what in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{what}"] = (width,)
        shapes[f"{name}.num_batches_tracked"] = ()

    norm("bn0", 64)
    before = 1
    for number, width in enumerate(WIDTHS, start=1):
        shapes[f"conv_block{number}.conv1.weight"] = (width, before, 3, 3)
        shapes[f"conv_block{number}.conv2.weight"] = (width, width, 3, 3)
        norm(f"conv_block{number}.bn1", width)
        norm(f"conv_block{number}.bn2", width)
        before = width
    shapes |= {"fc1.weight": (2048, 2048), "fc1.bias": (2048,)}
    return shapes | {"fc_audioset.weight": (527, 2048), "fc_audioset.bias": (527,)}


def _conv_stft(n_fft: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The DFT as torchlibrosa writes it into convolution kernels."""
    window = librosa.filters.get_window("hann", n_fft, fftbins=True)
    dft = np.fft.fft(np.eye(n_fft))[: n_fft // 2 + 1] * window  # row k is exp(-2πi k n / N)
    return dft.real[:, None], dft.imag[:, None]


def _checkpoint(name: str) -> dict[str, torch.Tensor]:
    """Random weights in the official layout; convolutions small enough that nothing explodes."""
    front = FRONT_ENDS[name]
    generator = torch.Generator().manual_seed(0)
    block = torch.randn(1 << 16, generator=generator)  # repeated: 80 million draws would take longer than the test
    weights: dict[str, torch.Tensor] = {}
    for key, shape in _layout(front.n_fft).items():
        count = int(np.prod(shape)) if shape else 1
        if key.endswith("num_batches_tracked"):
            weights[key] = torch.tensor(1000)
        elif key.endswith("running_var"):
            weights[key] = torch.rand(shape, generator=generator) + 0.5
        else:
            tensor = block.repeat(-(-count // len(block)))[:count].view(shape)
            weights[key] = tensor * (2.0 / max(1, count // shape[0])) ** 0.5 if len(shape) > 1 else 0.1 * tensor
            if key.endswith(("bn0.weight", "bn1.weight", "bn2.weight")):
                weights[key] = weights[key] + 1.0
    real, imaginary = _conv_stft(front.n_fft)
    weights["spectrogram_extractor.stft.conv_real.weight"] = torch.from_numpy(real.astype(np.float32))
    weights["spectrogram_extractor.stft.conv_imag.weight"] = torch.from_numpy(imaginary.astype(np.float32))
    mel = librosa.filters.mel(sr=front.rate, n_fft=front.n_fft, n_mels=64, fmin=front.lowest, fmax=front.highest)
    weights["logmel_extractor.melW"] = torch.from_numpy(mel.T.copy())
    weights["bn0.running_mean"] = weights["bn0.running_mean"] - 40.0  # dB, where real log-mels lie
    weights["bn0.running_var"] = weights["bn0.running_var"] + 400.0
    return weights


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return _checkpoint("cnn14")


@pytest.fixture(scope="module")
def tagger(weights, tmp_path_factory) -> teachers.Tagger:
    path = tmp_path_factory.mktemp("cnn14") / "Cnn14.pth"
    torch.save({"model": weights}, path)
    loaded = teachers.load("cnn14", weights=path)
    path.unlink()  # a third of a gigabyte
    return loaded


@pytest.fixture(scope="module")
def waves() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    tone = torch.sin(2 * torch.pi * 440.0 * torch.arange(32_000) / 32_000)
    return 0.3 * torch.stack([tone, tone.roll(5) * tone, torch.randn(32_000, generator=generator)])


@pytest.mark.parametrize("name", ["cnn14", "cnn14-16k"])
def test_layout_is_the_official_one(name):
    with torch.device("meta"):
        ours = {key: tuple(value.shape) for key, value in Cnn14(FRONT_ENDS[name]).state_dict().items()}
    assert ours == _layout(FRONT_ENDS[name].n_fft)


def test_first_block_against_plain_numpy(weights, waves):
    """Log-mel, input norm and first block in float64, from nothing but the checkpoint's tensors."""
    near = ("spectrogram", "logmel", "bn0", "conv_block1")
    w = {key: value.numpy().astype(np.float64) for key, value in weights.items() if key.startswith(near)}
    wave = np.pad(waves[1].numpy().astype(np.float64), 512, mode="reflect")
    frames = np.stack([wave[t * 320 : t * 320 + 1024] for t in range(101)])
    real = frames @ w["spectrogram_extractor.stft.conv_real.weight"][:, 0].T
    imaginary = frames @ w["spectrogram_extractor.stft.conv_imag.weight"][:, 0].T
    logmel = 10 * np.log10(np.maximum((real**2 + imaginary**2) @ w["logmel_extractor.melW"], 1e-10))

    def norm(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        scale = w[f"{name}.weight"] / np.sqrt(w[f"{name}.running_var"] + 1e-5)
        return (x - w[f"{name}.running_mean"]) * scale + w[f"{name}.bias"]

    def conv(x: NDArray[np.float64], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        rows, columns = x.shape[:2]
        parts = [padded[i : i + rows, j : j + columns] @ kernel[:, :, i, j].T for i in range(3) for j in range(3)]
        return np.asarray(sum(parts))

    maps = norm(logmel, "bn0")[..., None]
    for number in (1, 2):
        maps = np.maximum(norm(conv(maps, w[f"conv_block1.conv{number}.weight"]), f"conv_block1.bn{number}"), 0.0)

    network = Cnn14(FRONT_ENDS["cnn14"])
    network.load_state_dict(weights)
    network.eval()
    with torch.inference_mode():
        mel = network.logmel(waves[1:2])
        assert np.abs(mel[0].numpy() - logmel).max() < 0.05  # dB, float32 against float64 down to −100 dB
        ours = network.bn0(mel.transpose(1, 2)[..., None]).permute(0, 3, 2, 1)
        plain = network.conv_block1(ours)
        network.conv_block1.fold()
        folded = network.conv_block1(ours)
    torch.testing.assert_close(plain, folded, atol=1e-4, rtol=1e-4)
    assert np.abs(folded[0].permute(1, 2, 0).numpy() - maps).max() < 2e-3 * np.abs(maps).max()


def test_whole_network_against_torch_functions(weights, waves, tagger):
    """Pooling and head, from the checkpoint's tensors through torch's own functions."""
    from torch.nn import functional as F

    network = Cnn14(FRONT_ENDS["cnn14"])
    network.load_state_dict(weights)
    network.eval()
    with torch.inference_mode():
        x = network.logmel(waves[:2])[:, None]
        bn = [weights[f"bn0.{what}"] for what in ("running_mean", "running_var", "weight", "bias")]
        x = F.batch_norm(x.transpose(1, 3), *bn).transpose(1, 3)
        for number in range(1, 7):
            for half in (1, 2):
                bn = [
                    weights[f"conv_block{number}.bn{half}.{what}"]
                    for what in ("running_mean", "running_var", "weight", "bias")
                ]
                x = F.relu(F.batch_norm(F.conv2d(x, weights[f"conv_block{number}.conv{half}.weight"], padding=1), *bn))
            x = F.avg_pool2d(x, 2 if number < 6 else 1)
        x = x.mean(dim=3)
        x = x.max(dim=2).values + x.mean(dim=2)
        x = F.relu(F.linear(x, weights["fc1.weight"], weights["fc1.bias"]))
        expected = F.linear(x, weights["fc_audioset.weight"], weights["fc_audioset.bias"])
    scale = float(expected.abs().max())
    torch.testing.assert_close(tagger.logits(waves[:2]), expected, atol=2e-3 * scale, rtol=0)
    assert tagger.embed(waves[:1]).shape == (1, 2048)
    assert tagger.labels == cnn14_labels()
    assert (tagger.sample_rate, len(tagger.labels)) == (32_000, 527)


@pytest.mark.parametrize("name", ["cnn14", "cnn14-16k"])
def test_front_end_matrices(name):
    """The DFT that a checkpoint is compared with is torchlibrosa's, and the FFT takes the same spectrogram."""
    front = FRONT_ENDS[name]
    ours, theirs = dft_matrices(front), _conv_stft(front.n_fft)
    for a, b in zip(ours, theirs, strict=True):
        assert np.abs(a.numpy() - b).max() < 1e-6
    network = Cnn14(front, width=4)
    mel = librosa.filters.mel(sr=front.rate, n_fft=front.n_fft, n_mels=64, fmin=front.lowest, fmax=front.highest)
    network.logmel_extractor.melW.copy_(torch.from_numpy(mel.T.copy()))
    wave = 0.1 * torch.randn(1, front.rate, generator=torch.Generator().manual_seed(3))
    padded = torch.nn.functional.pad(wave[:, None], (front.n_fft // 2, front.n_fft // 2), mode="reflect")
    real, imaginary = (torch.nn.functional.conv1d(padded, matrix, stride=front.hop) for matrix in ours)
    power = (real.square() + imaginary.square()).transpose(1, 2)
    expected = 10 * torch.log10((power @ network.logmel_extractor.melW).clamp(min=1e-10))
    torch.testing.assert_close(network.logmel(wave), expected, atol=5e-3, rtol=1e-4)


def test_short_and_long_sounds(waves):
    """Whatever the length, each sound gets one row of logits; a short one is padded with silence."""
    network = Cnn14(FRONT_ENDS["cnn14-16k"], width=2)
    tagger = Cnn14Tagger(network, "cnn14-16k", "0" * 64)
    short = waves[:, :500]
    torch.testing.assert_close(tagger.logits(short), tagger.logits(torch.nn.functional.pad(short, (0, 15_500))))
    assert tagger.logits(waves.repeat(1, 4)).shape == (3, 527)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda w: w.pop("fc1.bias"), "1 tensors are missing, first fc1.bias"),
        (lambda w: w.update({"att_block.att.weight": torch.zeros(1)}), "too many, first att_block"),
        (lambda w: w.update({"bn0.weight": torch.zeros(3)}), r"bn0.weight is \(3,\)"),
        (lambda w: w.update({"logmel_extractor.melW": torch.zeros(257, 64)}), "other sample rate"),
        (
            lambda w: w.update({"spectrogram_extractor.stft.conv_real.weight": torch.zeros(513, 1, 1024)}),
            "Hann-windowed DFT",
        ),
    ],
)
def test_other_checkpoints_are_refused(weights, tmp_path, change, sentence):
    small = {
        key: value if "extractor" in key else value.new_zeros(()).expand(value.shape) for key, value in weights.items()
    }
    change(small)
    torch.save({"model": small}, tmp_path / "Cnn14.pth")
    with pytest.raises(UserError, match=sentence):
        teachers.load("cnn14", weights=tmp_path / "Cnn14.pth")


@pytest.mark.parametrize(("load", "name"), [(teachers.load, "cnn14"), (teachers.load_embedder, "vggish")])
def test_pickled_code_is_not_run(trap, load, name):
    """A checkpoint can hold code; only weights are read."""
    with pytest.raises(UserError, match=r"trap\.pth"):
        load(name, weights=trap)
    assert not trap.with_name("sprung").exists()


@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_arrays_beside_the_weights_are_read(tmp_path, module):
    """The official 16 kHz checkpoint holds its sampler's state: arrays, pickled by a NumPy before 2."""
    document = {"model": {}, "sampler": {"indexes": [np.arange(5), np.ones(3), np.array([True])]}}
    path = tmp_path / "Cnn14_16k.pth"
    torch.save(document, path, _use_new_zipfile_serialization=False)
    written = path.read_bytes()
    assert b"numpy._core.multiarray\n_reconstruct" in written
    path.write_bytes(written.replace(b"numpy._core.multiarray\n", module + b"\n"))
    with pytest.raises(UserError, match=r"is not cnn14-16k: \d+ tensors are missing"):
        teachers.load("cnn14-16k", weights=path)


@pytest.mark.parametrize("device", ["foo", "xpu:7"])
def test_a_device_that_is_not_there_is_reported(device):
    with pytest.raises(UserError, match=f"'{device}' cannot be used here"):
        teachers.load("embedded", device=device)


@pytest.mark.parametrize(("load", "name"), [(teachers.load, "cnn14"), (teachers.load_embedder, "vggish")])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"not a checkpoint at all"])
def test_damaged_checkpoints_end_in_a_sentence(tmp_path, load, name, content):
    (tmp_path / "bad.pth").write_bytes(content)
    with pytest.raises(UserError, match=r"bad\.pth can't be read"):
        load(name, weights=tmp_path / "bad.pth")
