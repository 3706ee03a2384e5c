"""Where the sounds under evaluation come from: real notes, an instrument, its network before training, its picture.

A source makes any stretch of its sounds on demand, the same to the bit wherever the stretch begins and ends, so that
no set of sounds is ever in memory as a whole.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from darktimbre import __version__
from darktimbre.audio.shape import fade_out
from darktimbre.bundle.bundle import Bundle
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.quarantine import FADE_SECONDS
from darktimbre.evaluation.threads import side_by_side
from darktimbre.models.progressive import Generator
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer

PORTION = 8  # notes a thread makes at a time


@dataclass(frozen=True)
class Source:
    """Some sounds of one length and rate.

    Attributes:
        name: what they are, for messages.
        digest: SHA-256 of everything they follow from; equal digests are equal sounds.
        count: how many there are.
        sample_rate: in Hz.
        samples: length of each.
        waves: (first, stop) → sounds first to stop − 1, (note, sample) float32.
    """

    name: str
    digest: str
    count: int
    sample_rate: int
    samples: int
    waves: Callable[[int, int], NDArray[np.float32]]


def real_source(corpus: Corpus, rows: NDArray[np.int64]) -> Source:
    """The notes in some rows of a corpus, in their order."""

    def waves(first: int, stop: int) -> NDArray[np.float32]:
        return corpus.waves(rows[first:stop])

    digest = _digest("real", corpus.digest, _shape(corpus), np.asarray(rows, np.int64))
    return Source("real notes", digest, len(rows), corpus.sample_rate, corpus.samples, waves)


def generated_source(
    synthesizer: Synthesizer,
    condition: NDArray[np.float32],
    latent: NDArray[np.float32],
    *,
    samples: int | None = None,
    sample_rate: int | None = None,
) -> Source:
    """What an instrument answers.

    Args:
        synthesizer: the instrument.
        condition: (note, size) as its network takes it.
        latent: (note, latent).
        samples: length wanted; longer notes are cut with a fade (GANSynth's 4 s). Its own by default.
        sample_rate: rate that is needed, in Hz; an instrument of another one is refused.

    Raises:
        UserError: the instrument has another rate, or its notes are shorter than asked for.
    """
    own, wanted = synthesizer.samples, synthesizer.samples if samples is None else samples
    origin = synthesizer.bundle.origin
    if sample_rate not in (None, synthesizer.sample_rate):
        raise UserError(
            f"{origin} plays at {synthesizer.sample_rate} Hz, the notes it is compared with have {sample_rate} Hz: "
            "evaluate it on a corpus of its own rate."
        )
    if wanted > own:
        raise UserError(
            f"The notes of {origin} have {own} samples, {wanted} are asked for: evaluate it on a corpus of notes as "
            "short as its own."
        )
    assert len(condition) == len(latent), (condition.shape, latent.shape)
    gain = np.ones(wanted, np.float32)
    if wanted < own:
        fade = min(wanted, round(FADE_SECONDS * synthesizer.sample_rate))
        gain[wanted - fade :] = fade_out(fade)

    def waves(first: int, stop: int) -> NDArray[np.float32]:
        def play(start: int, end: int) -> NDArray[np.float32]:
            rows = slice(first + start, first + end)
            return synthesizer.waves(condition[rows], latent[rows])[:, :wanted] * gain

        # An accelerator has all its cores in every operation, and wants full batches.
        portion = PORTION if synthesizer.device.type == "cpu" else stop - first
        return np.concatenate(side_by_side(play, stop - first, portion))

    digest = _digest(
        "generated", _player(synthesizer), np.asarray(condition, np.float32), np.asarray(latent, np.float32), wanted
    )
    return Source(origin, digest, len(condition), synthesizer.sample_rate, wanted, waves)


def round_trip_source(synthesizer: Synthesizer, corpus: Corpus, rows: NDArray[np.int64]) -> Source:
    """Real notes through an instrument's picture and back: the most that any network painting it could reach.

    Raises:
        UserError: the notes of the corpus have another length or rate than the instrument's.
    """
    if _shape(corpus) != _shape(synthesizer):
        raise UserError(f"The notes of {corpus.path} have another length or rate than the instrument's.")
    codec, device = synthesizer.codec, synthesizer.device

    def waves(first: int, stop: int) -> NDArray[np.float32]:
        def copy(start: int, end: int) -> NDArray[np.float32]:
            found = np.empty((end - start, corpus.samples), np.float32)
            with torch.inference_mode():
                for place, row in enumerate(rows[first + start : first + end]):
                    # one by one: a neighbour could move a float's last bits
                    note = torch.from_numpy(corpus.waves(row)).to(device)
                    found[place] = codec.decode(codec.encode(note))[0].cpu().numpy()
            return found

        return np.concatenate(side_by_side(copy, stop - first, PORTION))

    made = _digest("round trip", codec.to_config(), corpus.digest, np.asarray(rows, np.int64), device.type, __version__)
    return Source("through the picture", made, len(rows), corpus.sample_rate, corpus.samples, waves)


def untrained(synthesizer: Synthesizer, seed: int) -> Synthesizer:
    """The same network with the weights it would begin with; what was fitted and not learnt (buffers) stays."""
    bundle = synthesizer.bundle
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = Generator(bundle.network)
    fitted = {name for name, _ in fresh.named_buffers()}
    weights = {n: bundle.weights[n].float() if n in fitted else t for n, t in fresh.state_dict().items()}
    return Synthesizer(Bundle(bundle.config, weights, origin="the untrained network"), synthesizer.device)


def _player(synthesizer: Synthesizer) -> dict[str, Any]:
    """What an instrument's sound follows from: its weights, how they are wired and read, and what computes them."""
    bundle = synthesizer.bundle
    return {
        "weights": bundle.digest,
        "network": bundle.network.model_dump(mode="json"),
        "codec": synthesizer.codec.to_config(),
        "device": synthesizer.device.type,
        "version": __version__,
    }


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
