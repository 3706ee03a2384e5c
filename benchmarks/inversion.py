"""From magnitudes to sound: how near and how fast, Griffin-Lim against phases found in one pass.

`python -m benchmarks.inversion [--quick] [--corpus FOLDER] [--bundle FOLDER] [--json FILE]` prints the tables of
docs/inversion.md. Sounds are real ones where they are: NSynth notes and one-shots in ../shared/sounds, notes held out
of a corpus, and pictures that the starter, or another bundle, paints; else made notes alone, and it says so.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.report import Row
from benchmarks.turns import in_turns
from darktimbre.measures.spectral import log_spectral_distance, spectral_convergence
from darktimbre.representation import stft
from darktimbre.representation.codec import Codec
from darktimbre.representation.config import CodecConfig
from darktimbre.representation.phase_gradient import gaussian_places, phase_gradient

RATE = SAMPLES = 16000  # Hz, samples: a second, as recipes have it
AT = 3200  # samples: where a one-shot starts, so that something can sound before it
CORPUS, SHARED = Path("corpora/fluid"), Path(__file__).resolve().parents[2] / "shared/sounds"
SPEED = 2.0  # target: times faster than 60 iterations of Griffin-Lim, and no worse

Settings = dict[str, Any]
WAYS: dict[str, Settings] = {
    **{f"Griffin-Lim × {count}": {"iterations": count} for count in (1, 8, 30, 60, 100)},
    **{
        f"{name}{f' + {count}' if count else ''}": {"inversion": inversion, "refinements": count}
        for name, inversion, counts in (
            ("single pass", "single-pass", (0, 8, 30)),
            ("phase gradient", "phase-gradient", (0, 1, 4, 8, 16, 30)),
        )
        for count in counts
    },
}
PAINTED = "pictures that {} paints"
SHORT = {"n_fft": 1024, "hop": 256, "frames": 64, "floor": 0.002}  # as the recipes of one-shots have it
GAUSSIAN = "phase gradient, Gaussian's"  # the paper's, for comparison; no setting of the codec


class Sounds:
    """Pictures of one kind of sound, and the sounds that they were made of."""

    def __init__(
        self, name: str, codec: Codec, pictures: Tensor, waves: Tensor | None, onsets: list[int], painted: bool = False
    ) -> None:
        self.name, self.codec, self.pictures, self.waves = name, codec, pictures, waves
        self.onsets, self.painted = onsets, painted

    def magnitudes(self) -> Tensor:
        """`(note, frequency, frame)`, bins that the picture lacks included (0)."""
        return self.codec._frames(self.codec._unlevel(self.pictures[:, 0])).transpose(1, 2)


def run(quick: bool) -> list[Row]:
    """Prints the table of all ways; the rows are what one note costs on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        figures = measure(sounds_here(CORPUS, None, 4 if quick else 200), quick)
        print(table(figures), end="\n\n", flush=True)
        return [_row(quick)]
    finally:
        torch.set_num_threads(threads)


def measure(sounds: list[Sounds], quick: bool) -> dict[str, dict[str, dict[str, float]]]:
    """sounds → way → figure → value, means over notes; ms is the median of one core's time, a note at a time."""
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for kind in sounds:
        print(f"inverting {len(kind.pictures)} {kind.name} …", file=sys.stderr, flush=True)
        given = kind.magnitudes().numpy()
        ways: dict[str, Any] = {name: _decoder(kind.codec, settings) for name, settings in WAYS.items()}
        ways[GAUSSIAN] = _gaussian(kind.codec)
        if quick:
            ways = {name: ways[name] for name in ("Griffin-Lim × 8", "phase gradient", "phase gradient + 8")}
        figures[kind.name] = {}
        for name, way in ways.items():
            spent, waves = [], []
            with torch.inference_mode():
                way(kind.pictures[:1])
                for picture in kind.pictures:
                    began = time.process_time()
                    waves.append(way(picture[None]))
                    spent.append(time.process_time() - began)
            figures[kind.name][name] = {
                **nearness(given, torch.cat(waves), kind.codec.config),
                **(attack(kind, torch.cat(waves)) if kind.onsets else {}),
                "ms": 1e3 * statistics.median(spent),
            }
        if kind.waves is not None:
            true = {
                **nearness(given, kind.waves, kind.codec.config),
                **(attack(kind, kind.waves) if kind.onsets else {}),
            }
            figures[kind.name]["instantaneous frequency" if kind.painted else "the sounds themselves"] = true
    return figures


# ----------------------------------------------------------------------------
# Figures


def nearness(given: np.ndarray, waves: Tensor, config: CodecConfig) -> dict[str, float]:
    """How far the magnitudes of the sounds are from those they were made of, in dB."""
    made = stft.forward(waves, n_fft=config.n_fft, hop=config.hop, frames=given.shape[2]).abs().transpose(1, 2).numpy()
    return {
        "convergence": float(np.mean(20 * np.log10(spectral_convergence(given, made)))),
        "distance": float(np.mean(log_spectral_distance(given, made))),
    }


def attack(kind: Sounds, waves: Tensor) -> dict[str, float]:
    """Of sounds that begin after silence, medians in dB.

    `early`: energy of the 20 ms before the beginning, relative to the whole sound's. `punch`: the loudest 2 ms of the
    first 30 ms after it, relative to the original's.
    """
    assert kind.waves is not None
    early, punch = [], []
    for wave, true, onset in zip(waves.numpy(), kind.waves.numpy(), kind.onsets, strict=True):
        before = np.square(wave[onset - RATE // 50 : onset], dtype=np.float64).sum()
        early.append(10 * np.log10(before / np.square(wave, dtype=np.float64).sum() + 1e-12))
        punch.append(20 * np.log10(_loudest(wave, onset) / _loudest(true, onset)))
    return {"early": float(np.median(early)), "punch": float(np.median(punch))}


def _loudest(wave: np.ndarray, onset: int) -> float:
    squares = np.square(wave[onset : onset + 3 * RATE // 100], dtype=np.float64)
    width = RATE // 500
    return float(np.sqrt(np.convolve(squares, np.ones(width) / width, mode="valid").max() + 1e-18))


def table(figures: dict[str, dict[str, dict[str, float]]]) -> str:
    """All figures as Markdown."""
    lines = []
    for kind, ways in figures.items():
        drums = any("early" in values for values in ways.values())
        names = ["convergence", "distance", *(("early", "punch") if drums else ()), "ms"]
        heads = {"convergence": "SC dB", "distance": "LSD dB", "early": "before dB", "punch": "punch dB", "ms": "ms"}
        lines += ["", f"| {kind} | " + " | ".join(heads[name] for name in names) + " |"]
        lines.append("|---|" + "---:|" * len(names))
        for way, values in ways.items():
            cells = (f"{values[name]:.{1 if name != 'distance' else 2}f}" if name in values else "" for name in names)
            lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _row(quick: bool) -> Row:
    generator = torch.Generator().manual_seed(0)
    codec, pictures = _pictures(_made(8, generator))
    ways = {name: _decoder(codec, WAYS[name]) for name in ("phase gradient + 8", "Griffin-Lim × 60")}
    with torch.inference_mode():
        takes = in_turns({name: lambda way=way: way(pictures[:1]) for name, way in ways.items()}, 3 if quick else 15)
    fast, plain = (1e3 * statistics.median(takes[name]) for name in ways)
    return Row(
        "sound of a log-magnitude picture, 1 thread",
        fast,
        plain,
        "ms",
        target=SPEED,
        note="phase gradient and 8 iterations against 60 iterations of Griffin-Lim; as near (docs/inversion.md)",
        takes=takes,
    )


# ----------------------------------------------------------------------------
# Ways


def _decoder(codec: Codec, settings: Settings) -> Any:
    return Codec(codec.config.model_copy(update=settings)).decode


def _gaussian(codec: Codec) -> Any:
    def decode(pictures: Tensor) -> Tensor:
        frames = codec._frames(codec._unlevel(pictures[:, 0]))
        start = phase_gradient(frames, n_fft=codec.config.n_fft, hop=codec.config.hop, places=gaussian_places)
        return codec._settle(frames, iterations=0, start=start)

    return decode


# ----------------------------------------------------------------------------
# Sounds


def sounds_here(corpus: Path, bundle: Path | None, count: int) -> list[Sounds]:
    """What is found, at most `count` of a kind."""
    found: list[Sounds] = []
    if (SHARED / "nsynth-mini/audio").is_dir():
        waves = [_read(file, 0) for file in sorted((SHARED / "nsynth-mini/audio").glob("*.wav"))[:count]]
        found.append(_of("NSynth notes", torch.from_numpy(np.stack(waves))))
    if (SHARED / "one-shots").is_dir():
        files = sorted((SHARED / "one-shots").rglob("*.wav"))[-count:]
        found += [_one_shots("one-shots", files, {}), _one_shots("one-shots, windows of 64 ms", files, SHORT)]
    if (corpus / "corpus.json").is_file():
        from darktimbre.corpus.corpus import Corpus

        held = Corpus.open(corpus)
        rows = np.concatenate([held.rows("valid"), held.rows("test")])
        rows = np.sort(np.random.default_rng(0).choice(rows, min(count, len(rows)), replace=False))
        if (held.sample_rate, held.samples) == (RATE, SAMPLES):
            found.append(_of(f"held-out notes of {corpus.name}", torch.from_numpy(held.waves(rows))))
    if not found:
        print("no real sounds beside this checkout, and no corpus: made notes alone", file=sys.stderr)
        found.append(_of("made notes", _made(min(count, 16), torch.Generator().manual_seed(0))))
    from darktimbre.bundle.where import has_starter

    if has_starter():
        found.append(_painted("starter", min(count, 64)))
    if bundle is not None:
        found.append(_painted(str(bundle), min(count, 64)))
    return found


def _of(name: str, waves: Tensor, onsets: list[int] | None = None, settings: Settings | None = None) -> Sounds:
    codec, pictures = _pictures(waves, settings)
    return Sounds(name, codec, pictures, waves, onsets or [])


def _pictures(waves: Tensor, settings: Settings | None = None) -> tuple[Codec, Tensor]:
    config = {"kind": "logmag", "sample_rate": RATE, "samples": SAMPLES, **(settings or {})}
    codec = Codec(CodecConfig(**config)).fit([waves])
    return codec, codec.encode(waves)


def _read(file: Path, at: int) -> np.ndarray:
    """A mono second at `RATE`, the sound starting at sample `at`."""
    import soundfile
    import soxr

    wave, rate = soundfile.read(file, dtype="float32", always_2d=True)
    wave = soxr.resample(wave.mean(axis=1), rate, RATE)[: SAMPLES - at]
    return np.pad(wave, (at, SAMPLES - at - len(wave))).astype(np.float32).clip(-1, 1)


def _one_shots(name: str, files: list[Path], settings: Settings) -> Sounds:
    waves, onsets = [], []
    for number, file in enumerate(files):
        wave = _read(file, AT + 37 * number % 512)  # anywhere between two frames
        peak = np.abs(wave).max()
        if peak > 1e-3:
            waves.append(wave)
            onsets.append(int(np.argmax(np.abs(wave) > 0.01 * peak)))
    if silent := len(files) - len(waves):
        print(f"{silent} of the one-shots are silent and left out", file=sys.stderr)
    return _of(name, torch.from_numpy(np.stack(waves)), onsets, settings)


def _painted(name: str, count: int) -> Sounds:
    """The levels that a network paints, which no sound has quite; beside them the frequencies, where it paints any."""
    from darktimbre.synthesizer.synthesizer import Synthesizer

    player = Synthesizer.from_pretrained(name)
    pitches, words = player.attributes.pitches, player.attributes.names
    chosen = [pitches[index % len(pitches)] for index in range(count)] if pitches else None
    asked = None if pitches or not words else [{words[index % len(words)]: 1.0} for index in range(count)]
    condition, latent = player.controls.fill(chosen, asked, list(range(count)), None)
    with torch.inference_mode():
        latents, conditions = torch.from_numpy(latent), torch.from_numpy(np.ascontiguousarray(condition))
        pictures = torch.cat(
            [player.network(*pair) for pair in zip(latents.split(1), conditions.split(1), strict=True)]
        )
    own = player.codec.config
    kept = {"sample_rate", "samples", "n_fft", "hop", "frames", "drop_dc", "floor", "low", "high"}
    codec = Codec(CodecConfig(kind="logmag", **{name: getattr(own, name) for name in kept}))
    waves = player.codec.decode(pictures) if player.codec.phase else None
    title = PAINTED.format(player.bundle.config.get("recipe", {}).get("name", name))
    return Sounds(title, codec, pictures[:, :1].clone(), waves, [], painted=True)


def _made(count: int, generator: torch.Generator) -> Tensor:
    time_ = torch.arange(SAMPLES) / RATE
    notes = []
    for midi in torch.linspace(44, 69, count):
        f0, decay = 440 * 2 ** ((midi - 69) / 12), torch.exp(-2 * time_)
        starts = torch.rand(20, generator=generator)
        tone = sum(torch.sin(2 * torch.pi * (f0 * k * time_ + starts[k])) * decay**k / k for k in range(1, 20))
        notes.append(0.2 * tone + 0.02 * torch.randn(SAMPLES, generator=generator) * decay**10)
    return torch.stack(notes)


def main() -> None:
    """The table alone."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inversion", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few sounds and ways, to see that everything runs")
    parser.add_argument("--corpus", type=Path, default=CORPUS, metavar="FOLDER", help="a corpus of 1 s at 16 kHz")
    parser.add_argument("--bundle", type=Path, metavar="FOLDER", help="also the pictures that this instrument paints")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    figures = measure(sounds_here(arguments.corpus, arguments.bundle, 4 if arguments.quick else 200), arguments.quick)
    print(table(figures))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    from darktimbre.cli import allocator

    allocator.tune()
    main()
