"""Learned inversion against the codec's own ways, on mel spectrograms of two seconds: how near, in tune, and how fast.

`python -m benchmarks.learned --corpus FOLDER [--inverter NAME] [--baseline FOLDER] [--bundle NAME] [--split test]
[--count N] [--json FILE]` prints the tables of docs/inversion.md. `--corpus`: notes that no inverter was trained on, by
their split; `--inverter`: the network, the shipped one by default; `--baseline`: another, such as an MCNN; `--bundle`:
an autoencoder whose spectrograms of these notes are inverted as well.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from darktimbre.audio.pitch import yin
from darktimbre.bundle.inverter import InverterFolder
from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation.inversions import note_by_note
from darktimbre.measures.frechet import Moments, frechet_distance
from darktimbre.measures.pitch import interval_cents
from darktimbre.measures.spectral import log_spectral_distance, spectral_convergence
from darktimbre.notes.pitch import midi_to_hz
from darktimbre.representation import stft
from darktimbre.representation.codec import Codec
from darktimbre.representation.config import CodecConfig
from darktimbre.teachers.embedded import EmbeddedTagger

PEAK = 10 ** (-1 / 20)  # level of the notes, as recipes bring them to
BLUR = 1.0  # bands and frames: standard deviation of the blur that stands for a network's
IN_TUNE = 50.0  # cents
WAYS = {
    "Griffin-Lim × 60": {"inversion": "griffin-lim", "iterations": 60},
    "phase gradient + 8": {"inversion": "phase-gradient", "refinements": 8},
    "single pass + 8": {"inversion": "single-pass", "refinements": 8},
}
Way = Callable[[Tensor, Tensor], Tensor]


def codec_of(folder: InverterFolder) -> CodecConfig:
    """The codec that an inverter is for, unfitted."""
    c = folder.network
    same = {name: getattr(c, name) for name in ("sample_rate", "samples", "n_fft", "hop", "floor", "frames")}
    return CodecConfig(kind="mel-logmag", mel_bands=c.bands, **same)


def ways(config: CodecConfig, folders: dict[str, InverterFolder]) -> dict[str, Way]:
    """Name → (pictures, pitch) → waves; a network's also without the pitch."""
    found: dict[str, Way] = {}
    for name, settings in WAYS.items():
        codec = Codec(config.model_copy(update=settings))
        found[name] = lambda pictures, pitch, codec=codec: codec.decode(pictures)  # type: ignore[misc]
    for name, folder in folders.items():
        codec = Codec(config, inverter=folder.folded)
        found[name] = codec.decode
        if folder.network.architecture == "partials":
            found[f"{name}, pitch not known"] = lambda pictures, pitch, codec=codec: codec.decode(pictures)  # type: ignore[misc]
    return found


# ----------------------------------------------------------------------------
# Figures


def figures(
    made: Tensor, given: Tensor, pitch: Tensor, real: Tensor, config: CodecConfig, *, paired: bool
) -> dict[str, float]:
    """Means over notes. `paired`: the notes are those that the pictures were made of, before any blur."""
    c, codec = config, Codec(config)
    again = codec.log_magnitude(made)
    found = {"mel distance": float((20 / np.log(10) * (again - given)).square().mean(dim=1).sqrt().mean())}
    if paired:
        spectra = (stft.forward(one, n_fft=c.n_fft, hop=c.hop).abs().transpose(1, 2).numpy() for one in (real, made))
        x, y = spectra
        found["convergence"] = float(np.mean(20 * np.log10(spectral_convergence(x, y))))
        found["distance"] = float(np.mean(log_spectral_distance(x, y)))
    low, high = 25.0, min(5000.0, c.sample_rate / 2)
    nominal = np.array([midi_to_hz(float(midi)) for midi in pitch])
    reference = yin(real.numpy(), c.sample_rate, low, high)[0] if paired else nominal
    clear = np.isfinite(reference) & (np.abs(interval_cents(reference, nominal)) < IN_TUNE)
    measured = yin(made.numpy()[clear], c.sample_rate, low, high)[0]
    apart = np.abs(interval_cents(measured, reference[clear]))
    found["in tune"] = float(np.mean(apart < IN_TUNE))
    embed = EmbeddedTagger.load().embed
    moments = [Moments().add(embed(one.clamp(-1, 1)).numpy()) for one in (real, made)]
    return found | {"fad": frechet_distance(*moments)}


def table(name: str, rows: dict[str, dict[str, float]]) -> str:
    """Figures as Markdown."""
    heads = {
        "convergence": ("SC dB", "{:.1f}"),
        "distance": ("LSD dB", "{:.2f}"),
        "mel distance": ("mel LSD dB", "{:.2f}"),
        "in tune": ("pitch kept", "{:.1%}"),
        "fad": ("FAD", "{:.3f}"),
        "ms": ("ms", "{:.1f}"),
    }
    shown = [key for key in heads if any(key in row for row in rows.values())]
    lines = [f"| {name} | " + " | ".join(heads[key][0] for key in shown) + " |", "|---|" + "---:|" * len(shown)]
    for way, row in rows.items():
        cells = (heads[key][1].format(row[key]) if key in row else "" for key in shown)
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def measured(
    name: str, found: dict[str, Way], pictures: Tensor, pitch: Tensor, real: Tensor, config: CodecConfig, paired: bool
) -> dict[str, dict[str, float]]:
    """Way → figures; ms: see `note_by_note`."""
    given, rows = Codec(config)._logs(pictures[:, 0]), dict[str, dict[str, float]]()
    for way, decode in found.items():
        print(f"{name}: {way} …", file=sys.stderr, flush=True)
        made, milliseconds = note_by_note(decode, pictures, pitch)
        found_now = figures(torch.from_numpy(made), given, pitch, real, config, paired=paired)
        rows[way] = found_now | {"ms": milliseconds}
    return rows


def blurred(pictures: Tensor) -> Tensor:
    """Pictures smoothed over both axes, as a network that is not sure makes them."""
    place = torch.arange(-3.0, 4.0)
    taps = torch.exp(-0.5 * (place / BLUR).square())
    kernel = (taps[:, None] * taps) / taps.sum().square()
    return F.conv2d(F.pad(pictures, (3,) * 4, mode="replicate"), kernel[None, None])


def main() -> None:
    """The tables alone."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learned", description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--inverter", default="inverter", metavar="NAME")
    parser.add_argument("--baseline", type=Path, metavar="FOLDER")
    parser.add_argument("--bundle", metavar="NAME")
    parser.add_argument("--split", default="test")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folders = {"learned": InverterFolder.from_pretrained(arguments.inverter)}
    if arguments.baseline:
        folders["MCNN"] = InverterFolder.from_pretrained(arguments.baseline)
    corpus = Corpus.open(arguments.corpus)
    rows = corpus.rows(arguments.split)
    rows = rows[corpus.column("pitch")[rows] >= 0]
    rows = np.sort(np.random.default_rng(0).choice(rows, min(arguments.count, len(rows)), replace=False))
    waves = torch.from_numpy(corpus.waves(rows))
    waves = waves * (PEAK / waves.abs().amax(dim=1, keepdim=True).clamp(min=1e-4))
    pitch = torch.from_numpy(corpus.column("pitch")[rows].astype(np.float32))
    config = Codec(codec_of(folders["learned"])).fit([waves]).config
    with torch.inference_mode():
        pictures = Codec(config).encode(waves)
    found = ways(config, folders)
    notes = f"{len(rows)} notes of {corpus.name} ({arguments.split})"
    kinds = {notes: (pictures, config, True), f"{notes}, blurred": (blurred(pictures), config, True)}
    if arguments.bundle:
        from darktimbre.evaluation.autoencoders import EncodingInstrument, StyledNotes, conditions

        model = EncodingInstrument.load("", arguments.bundle)
        styled = StyledNotes.of(corpus)
        conditioned = conditions(model.attributes, styled.where(np.searchsorted(styled.rows, rows)))
        made = model.spectrograms(model.encode(waves.numpy()), conditioned)
        name = f"spectrograms that {Path(arguments.bundle).name} makes of them"
        kinds[name] = (torch.from_numpy(made)[:, None], model.codec.config, False)
    all_rows = {}
    for name, (given, own, paired) in kinds.items():
        all_rows[name] = measured(
            name, ways(own, folders) if own != config else found, given, pitch, waves, own, paired
        )
        print(table(name, all_rows[name]), end="\n\n", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(all_rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    from darktimbre.cli import allocator

    allocator.tune()
    main()
