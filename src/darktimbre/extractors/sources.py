"""Where sounds to describe come from: real notes, an instrument, its untrained network, its codec's round trip.

A source makes any range of its sounds on demand, the same to the bit wherever the range starts and ends, so that no set
of sounds is ever in memory as a whole.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from darktimbre import __version__
from darktimbre.audio.shape import fade_out
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.ingest import FADE_SECONDS
from darktimbre.extractors.parallel import in_parallel
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer

PORTION = 8  # notes a thread renders at a time
ROUND_TRIP = "codec round trip"


@dataclass(frozen=True)
class Source:
    """Some sounds of one length and rate."""

    name: str  # what they are, for messages
    digest: str  # SHA-256 of everything they depend on; equal digests are equal sounds
    count: int
    sample_rate: int  # Hz
    samples: int  # length of each
    waves: Callable[[int, int], NDArray[np.float32]]  # (first, stop) → sounds first to stop − 1, (note, sample)


def real_source(corpus: Corpus, rows: NDArray[np.int64]) -> Source:
    """The notes in some rows of a corpus, in their order."""
    digest = _digest("real", corpus.digest, _shape(corpus), np.asarray(rows, np.int64))
    return Source("real notes", digest, len(rows), *_shape(corpus), lambda first, stop: corpus.waves(rows[first:stop]))


def generated_source(
    synthesizer: Synthesizer,
    condition: NDArray[np.float32],
    latent: NDArray[np.float32],
    *,
    samples: int | None = None,
) -> Source:
    """Notes of an instrument from conditions (note, size) as its network takes them, and latents (note, latent).

    They have its own length, or with `samples` that one: longer notes are cut with a fade (GANSynth's 4 s).

    Raises:
        UserError: its notes are shorter than that.
    """
    own, wanted = synthesizer.samples, synthesizer.samples if samples is None else samples
    origin = synthesizer.bundle.origin
    if wanted > own:
        raise UserError(
            f"The notes of {origin} have {own} samples, {wanted} are needed: evaluate it on a corpus of notes as "
            "short as its own."
        )
    assert len(condition) == len(latent), (condition.shape, latent.shape)
    gain = np.ones(wanted, np.float32)
    if wanted < own:
        fade = min(wanted, round(FADE_SECONDS * synthesizer.sample_rate))
        gain[wanted - fade :] = fade_out(fade)

    def waves(first: int, stop: int) -> NDArray[np.float32]:
        def render(start: int, end: int) -> NDArray[np.float32]:
            rows = slice(first + start, first + end)
            return synthesizer.waves(condition[rows], latent[rows])[:, :wanted] * gain

        # An accelerator uses all its cores in every operation, and needs full batches.
        portion = PORTION if synthesizer.device.type == "cpu" else stop - first
        return np.concatenate(in_parallel(render, stop - first, portion))

    bundle = synthesizer.bundle
    network = {
        "weights": bundle.sound_digest,
        "network": bundle.network.model_dump(mode="json"),
        "codec": synthesizer.codec.to_config(),
        "device": synthesizer.device.type,
        "version": __version__,
    }
    digest = _digest("generated", network, np.asarray(condition, np.float32), np.asarray(latent, np.float32), wanted)
    return Source(origin, digest, len(condition), synthesizer.sample_rate, wanted, waves)


def round_trip_source(synthesizer: Synthesizer, corpus: Corpus, rows: NDArray[np.int64]) -> Source:
    """Real notes encoded and decoded by an instrument's codec: the upper bound for any network that uses it.

    Raises:
        UserError: the notes of the corpus have another length or rate than the instrument's.
    """
    if _shape(corpus) != _shape(synthesizer):
        raise UserError(f"The notes of {corpus.path} have another length or rate than the instrument's.")
    codec, device = synthesizer.codec, synthesizer.device
    midi = corpus.column("pitch").astype(np.float32)
    pitches = torch.from_numpy(np.where(midi < 0, np.nan, midi))[:, None]  # what a learned inversion is handed

    def waves(first: int, stop: int) -> NDArray[np.float32]:
        def copy(start: int, end: int) -> NDArray[np.float32]:
            found = np.empty((end - start, corpus.samples), np.float32)
            with torch.inference_mode():
                for place, row in enumerate(rows[first + start : first + end]):
                    # one by one: a neighbour could change a float's last bits
                    note = torch.from_numpy(corpus.waves(row)).to(device)
                    found[place] = codec.decode(codec.encode(note), pitches[row].to(device))[0].cpu().numpy()
            return found

        return np.concatenate(in_parallel(copy, stop - first, PORTION))

    number = np.asarray(rows, np.int64)
    inverter = [] if synthesizer.bundle.inverter is None else [synthesizer.bundle.sound_digest]
    digest = _digest("round trip", codec.to_config(), corpus.digest, number, device.type, __version__, *inverter)
    return Source(ROUND_TRIP, digest, len(rows), *_shape(corpus), waves)


def untrained(synthesizer: Synthesizer, seed: int) -> Synthesizer:
    """The same network with initial weights; what was fitted rather than trained (buffers) stays."""
    bundle = synthesizer.bundle
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = bundle.form.network(bundle.network)
    fitted = {name for name, _ in fresh.named_buffers()}
    weights = {n: bundle.weights[n].float() if n in fitted else t for n, t in fresh.state_dict().items()}
    return Synthesizer(replace(bundle, weights=weights, origin="the untrained network"), synthesizer.device)


def _shape(one: Corpus | Synthesizer) -> tuple[int, int]:
    return one.sample_rate, one.samples


def _digest(*parts: Any) -> str:
    """SHA-256 of arrays and of plain values, each with its kind and size, so that none runs into the next."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            total.update(f"{part.dtype.str} {part.shape}\n".encode())
            total.update(part.tobytes())
        else:
            total.update(json.dumps(part, sort_keys=True).encode() + b"\n")
    return total.hexdigest()
