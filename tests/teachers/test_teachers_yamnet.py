"""YAMNet: agreement with the interpreter on real notes, the front end against its definition, every file format."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from darktimbre import teachers
from darktimbre.notes.errors import UserError
from darktimbre.teachers import logmel
from darktimbre.teachers.frozen import write_converted
from darktimbre.teachers.vocabulary import yamnet_labels
from darktimbre.teachers.yamnet import SEPARABLE, YamnetBody, YamnetTagger
from darktimbre.teachers.yamnet_files import EPSILON, read

TONES = 33  # notes of ../shared/sounds/nsynth-mini, which come first


@pytest.fixture(scope="module")
def tflite(shared) -> Path:
    return shared("teachers/yamnet.tflite")


@pytest.fixture(scope="module")
def tagger(tflite) -> teachers.Tagger:
    return teachers.load("yamnet", weights=tflite)


@pytest.fixture(scope="module")
def notes(shared) -> NDArray[np.float32]:
    """Real notes (note, 15600): NSynth's, then as many CC0 one-shots, at 16 kHz."""
    import soxr

    waves = []
    for folder in ("sounds/nsynth-mini", "sounds/one-shots"):
        paths = sorted(shared(folder).rglob("*.wav"))
        for path in paths[:: max(1, len(paths) // TONES)][:TONES]:
            sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
            mono = soxr.resample(sound.mean(1), rate, logmel.RATE)[: logmel.PATCH]
            waves.append(np.pad(mono, (0, logmel.PATCH - len(mono))))
    return np.stack(waves).astype(np.float32)


def _interpreted(
    tflite: Path, notes: NDArray[np.float32], *, delegate: bool
) -> tuple[NDArray[np.float32], torch.Tensor]:
    """LiteRT's scores (note, 521), and the log-mel patches (note, 96, 64) that it computed on the way."""
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="the oracle is in the dev extras")
    kinds = litert.OpResolverType
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = litert.Interpreter(
            str(tflite),
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=kinds.AUTO if delegate else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            num_threads=1,
        )
    interpreter.allocate_tensors()
    (patch,) = [d["index"] for d in interpreter.get_tensor_details() if list(d["shape"]) == [1, 96, 64, 1]]
    into, out = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    scores, patches = [], []
    for wave in notes:
        interpreter.set_tensor(into, wave)
        interpreter.invoke()
        scores.append(interpreter.get_tensor(out)[0].copy())
        patches.append(interpreter.get_tensor(patch)[0, :, :, 0].copy())
    return np.stack(scores), torch.from_numpy(np.stack(patches))


def _correlation(body: YamnetBody, patches: torch.Tensor, scores: NDArray[np.float32]) -> float:
    with torch.inference_mode():
        return float(np.corrcoef(body(patches).sigmoid().numpy().ravel(), scores.ravel())[0, 1])


def test_body_agrees_with_the_interpreter_on_tones(tflite, tagger, notes):
    """Fed the interpreter's own log-mel, the float port gives its scores on NSynth's notes."""
    scores, patches = _interpreted(tflite, notes[:TONES], delegate=True)
    correlation = _correlation(tagger.network, patches, scores)
    print(f"\nYAMNet in float against LiteRT: {correlation:.5f} over all scores of {TONES} NSynth notes")
    assert correlation >= 0.999


def test_body_agrees_with_the_interpreter_on_everything(tflite, tagger, notes):
    """The same on tones and drums, with the interpreter's rounding of activations imitated.

    It rounds every layer's input to 8 bits, coarsely so for the peaky maps of drums; a float port can't follow there.
    """
    scores, patches = _interpreted(tflite, notes, delegate=False)
    plain = _correlation(tagger.network, patches, scores)
    assert len(scores) >= 40

    def rounded(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        step = (
            inputs[0].flatten(1).amax(1).clamp(min=1e-9) / 255
        )  # 8 bits from 0 (after a ReLU) to each note's own peak
        step = step.view(-1, *[1] * (inputs[0].dim() - 1))
        return ((inputs[0] / step).round() * step,)

    layers = [tagger.network.get_submodule(f"layer{number}") for number in range(2, 15)]
    quantised = (
        [layer.pointwise for layer in layers] + [layer.depthwise for layer in layers[2:]] + [tagger.network.classifier]
    )
    hooks = [
        layer.register_forward_pre_hook(rounded) for layer in quantised
    ]  # those whose weights are int8 in the file
    try:
        correlation = _correlation(tagger.network, patches, scores)
    finally:
        for hook in hooks:
            hook.remove()
    print(
        f"\nYAMNet with 8-bit activations against LiteRT: {correlation:.5f} over all scores of {len(scores)} real notes"
    )
    assert correlation >= 0.999
    assert plain >= 0.995


def test_front_end_is_its_definition(notes):
    """Against a plain float64 DFT and triangles drawn one by one."""
    wave = notes[0].astype(np.float64)
    n = np.arange(400)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / 400)
    frames = np.stack([wave[t * 160 : t * 160 + 400] * window for t in range(96)])
    dft = np.exp(-2j * np.pi * np.outer(n, np.arange(257)) / 512)
    magnitude = np.abs(frames @ dft)

    def mel(hz: float) -> float:
        return 2595.0 * np.log10(1 + hz / 700.0)

    edges = [mel(125.0) + i * (mel(7500.0) - mel(125.0)) / 65 for i in range(66)]
    bank = np.zeros((257, 64))
    for k in range(1, 257):
        for band in range(64):
            at, low, peak, high = mel(k * 16000 / 512), *edges[band : band + 3]
            bank[k, band] = max(0.0, min((at - low) / (peak - low), (high - at) / (high - peak)))
    expected = np.log(magnitude @ bank + 0.001)
    ours = logmel.patches(torch.from_numpy(notes[:1]))[0, 0].numpy()
    assert np.abs(ours - expected).max() < 2e-3


@pytest.mark.parametrize(
    ("samples", "count"), [(100, 1), (15_600, 1), (16_000, 1), (19_439, 1), (19_440, 2), (64_000, 7)]
)
def test_number_of_patches(samples, count):
    assert logmel.patch_count(samples) == count
    assert logmel.patches(torch.zeros(2, samples)).shape == (2, count, 96, 64)


def test_patches_of_a_long_sound_are_its_windows(tagger):
    """The logits of a long sound are the mean of its windows'."""
    wave = torch.randn(1, logmel.PATCH + 2 * logmel.PATCH_HOP, generator=torch.Generator().manual_seed(0)) * 0.1
    windows = wave.unfold(1, logmel.PATCH, logmel.PATCH_HOP)[0]
    torch.testing.assert_close(tagger.logits(wave)[0], tagger.logits(windows).mean(0), atol=2e-4, rtol=1e-4)


def test_answers_do_not_depend_on_the_batch(tagger, notes):
    waves = torch.from_numpy(notes)
    together = tagger.logits(waves)
    alone = torch.cat([tagger.logits(wave[None]) for wave in waves[:5]])
    torch.testing.assert_close(together[:5], alone, atol=1e-3, rtol=1e-4)


def test_logits_are_linear_in_the_embedding(tagger, notes):
    waves = torch.from_numpy(notes[:3])
    embedding = tagger.embed(waves)
    assert embedding.shape == (3, 1024)
    torch.testing.assert_close(tagger.network.classifier(embedding), tagger.logits(waves))
    assert tagger.labels == yamnet_labels()
    assert len(tagger.labels) == 521


def test_recognises_a_trumpet(shared, tagger):
    """The sense of it all: a real trumpet note is a trumpet."""
    wave, _ = soundfile.read(shared("sounds/nsynth-mini/audio/brass_acoustic_006-060-100.wav"), dtype="float32")
    scores = tagger.logits(torch.from_numpy(wave[None, :16_000])).sigmoid()[0]
    assert scores[tagger.labels.index("Trumpet")] > 0.5


# --- files ------------------------------------------------------------------------------------------------------------


def _keras_file(path: Path, *, seed: int | None, nested: bool = True) -> dict[str, NDArray[np.float64]]:
    """A file of the official layout with random weights; batch norms unit for seed None. Returns the Keras tensors."""
    import h5py

    random = np.random.default_rng(0 if seed is None else seed)
    tensors: dict[str, NDArray[np.float64]] = {}

    def norm(layer: str, width: int) -> None:
        unit = seed is None
        tensors[f"{layer}/bn/beta"] = random.normal(size=width) * 0.1
        tensors[f"{layer}/bn/moving_mean"] = np.zeros(width) if unit else random.normal(size=width) * 0.1
        tensors[f"{layer}/bn/moving_variance"] = (
            np.full(width, 1 - EPSILON) if unit else random.uniform(0.3, 2.0, width)
        )

    tensors["layer1/conv/kernel"] = random.normal(size=(3, 3, 1, 32)) / 3
    norm("layer1/conv", 32)
    width = 32
    for number, (_, wider) in enumerate(SEPARABLE, start=2):
        tensors[f"layer{number}/depthwise_conv/depthwise_kernel"] = random.normal(size=(3, 3, width, 1)) / 3
        norm(f"layer{number}/depthwise_conv", width)
        tensors[f"layer{number}/pointwise_conv/kernel"] = random.normal(size=(1, 1, width, wider)) / np.sqrt(width)
        norm(f"layer{number}/pointwise_conv", wider)
        width = wider
    tensors["logits/kernel"], tensors["logits/bias"] = random.normal(size=(1024, 521)) / 32, random.normal(size=521)
    with h5py.File(path, "w") as file:
        for name, value in tensors.items():
            layer, what = name.rsplit("/", 1)
            file[f"{layer}/{layer}/{what}:0" if nested else f"{layer}/{what}"] = value.astype(np.float32)
        for number in range(1, 15):
            file.create_group(f"layer{number}/relu")  # layers without weights are empty groups
    return tensors


def _same(maps: NDArray[np.float64], kernel: NDArray[np.float64], stride: int) -> NDArray[np.float64]:
    """TensorFlow's SAME convolution of (height, width, in), written out; depthwise when the kernel's last axis is 1."""
    height, width, _ = maps.shape
    rows, columns = -(-height // stride), -(-width // stride)
    down, right = max((rows - 1) * stride + 3 - height, 0), max((columns - 1) * stride + 3 - width, 0)
    padded = np.pad(maps, ((down // 2, down - down // 2), (right // 2, right - right // 2), (0, 0)))
    out = 0.0
    for y in range(3):
        for x in range(3):
            part = padded[y : y + rows * stride : stride, x : x + columns * stride : stride][:rows, :columns]
            depthwise = kernel.shape[3] == 1 and kernel.shape[2] > 1
            out = out + (part * kernel[y, x, :, 0] if depthwise else part @ kernel[y, x])
    return np.asarray(out)


@pytest.mark.parametrize("seed", [None, 1])
def test_keras_file_against_plain_numpy(tmp_path, seed):
    """The first three layers, batch norm unfolded, in float64."""
    k = _keras_file(tmp_path / "yamnet.h5", seed=seed)
    tagger = YamnetTagger.load(tmp_path / "yamnet.h5")
    patch = np.random.default_rng(2).normal(size=(96, 64))

    def norm(maps: NDArray[np.float64], layer: str) -> NDArray[np.float64]:
        scaled = (maps - k[f"{layer}/bn/moving_mean"]) / np.sqrt(k[f"{layer}/bn/moving_variance"] + 1e-4)
        return np.maximum(scaled + k[f"{layer}/bn/beta"], 0.0)

    maps = norm(_same(patch[..., None], k["layer1/conv/kernel"], 2), "layer1/conv")
    for number, stride in ((2, 1), (3, 2)):
        name = f"layer{number}/depthwise_conv"
        maps = norm(_same(maps, k[f"{name}/depthwise_kernel"], stride), name)
        maps = norm(maps @ k[f"layer{number}/pointwise_conv/kernel"][0, 0], f"layer{number}/pointwise_conv")
    with torch.inference_mode():
        ours = torch.from_numpy(patch[None, None].astype(np.float32))
        ours = torch.relu(tagger.network.layer1(ours))
        for number in (2, 3):
            ours = tagger.network.get_submodule(f"layer{number}")(ours)
    assert np.abs(ours[0].permute(1, 2, 0).numpy() - maps).max() < 1e-4 * np.abs(maps).max()


def test_keras_layouts_are_one(tmp_path):
    """Old and new Keras name the groups differently; the tensors are the same."""
    _keras_file(tmp_path / "old.h5", seed=3)
    _keras_file(tmp_path / "new.h5", seed=3, nested=False)
    old, new = read(tmp_path / "old.h5")[0], read(tmp_path / "new.h5")[0]
    assert old.keys() == new.keys() == YamnetBody().state_dict().keys()
    assert all(torch.equal(old[key], new[key]) for key in old)


def test_tflite_and_keras_agree(tmp_path, tflite, tagger, notes):
    """The TensorFlow Lite weights, written as Keras with unit batch norm, answer as before."""
    import h5py

    weights, _ = read(tflite)
    with h5py.File(tmp_path / "yamnet.h5", "w") as file:
        for key, value in weights.items():
            name, what = key.rsplit(".", 1)
            if name == "classifier":
                layer, array = "logits", value.numpy().T
                file[f"{layer}/{layer}/{'kernel' if what == 'weight' else 'bias'}:0"] = array
                continue
            number, _, kind = name.partition(".")
            layer = f"{number}/{kind or 'conv'}{'_conv' if kind else ''}"
            if what == "weight":
                depthwise = kind == "depthwise"
                array = value.permute(2, 3, 0, 1) if depthwise else value.permute(2, 3, 1, 0)
                file[f"{layer}/{layer}/{'depthwise_kernel' if depthwise else 'kernel'}:0"] = array.numpy()
            else:
                bn = f"{layer}/bn/{layer}/bn"
                file[f"{bn}/beta:0"] = value.numpy()
                file[f"{bn}/moving_mean:0"] = np.zeros(len(value), np.float32)
                file[f"{bn}/moving_variance:0"] = np.full(len(value), 1 - EPSILON, np.float32)
    again = YamnetTagger.load(tmp_path / "yamnet.h5")
    waves = torch.from_numpy(notes[:4])
    torch.testing.assert_close(again.logits(waves), tagger.logits(waves), atol=2e-3, rtol=1e-3)


def test_conversion_keeps_tensors_and_digest(tmp_path, tflite, tagger):
    weights, digest = read(tflite)
    write_converted(tmp_path / "yamnet.safetensors", "yamnet", weights, digest)
    again, kept = read(tmp_path / "yamnet.safetensors")
    assert kept == digest == tagger.digest
    assert all(torch.equal(again[key], weights[key]) for key in weights)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.h5", b""),
        ("noise.tflite", b"\x1c\0\0\0TFL3" + bytes(range(256)) * 4),
        ("cut.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 60),
        ("text.safetensors", b"no tensors here, only words"),
        ("other.bin", b"something else altogether"),
    ],
)
def test_damaged_files_end_in_a_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
        teachers.load("yamnet", weights=tmp_path / name)


def test_another_network_is_not_yamnet(tmp_path):
    from safetensors.torch import save_file

    save_file({"layer1.weight": torch.zeros(32, 1, 3, 3)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="is not YAMNet: 55 tensors are missing"):
        teachers.load("yamnet", weights=tmp_path / "other.safetensors")
