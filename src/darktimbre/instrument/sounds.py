"""Requests of scripts → sounds as files: a note as WAV in memory, several or an export as an archive that is open."""

import io
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np
import soundfile
from numpy.typing import NDArray

from darktimbre.instrument.admission import Limits, Refusal
from darktimbre.instrument.describe import name_of
from darktimbre.instrument.messages import BatchRequest, ExportRequest, RenderRequest
from darktimbre.instrument.renderer import Renderer
from darktimbre.notes.errors import UserError
from darktimbre.notes.text import json_text
from darktimbre.synthesizer.keys import Key, keyboard, repitch
from darktimbre.synthesizer.patch import Patch

Exporter = Callable[[ExportRequest], Path]
_SUBTYPES = {16: "PCM_16", 32: "FLOAT"}


class Sounds:
    """What an instrument's keys sound like; every method waits for the renderer, so it belongs in a thread."""

    def __init__(self, renderer: Renderer, limits: Limits) -> None:
        self._renderer, self._limits = renderer, limits
        self._instrument = renderer.instrument
        self._keys = {key.midi: key for key in keyboard(self._instrument)}

    def one(self, request: RenderRequest) -> bytes:
        """A WAV file of one note.

        Raises:
            UserError: no such key or attribute.
            Busy, TimeoutError, RenderError: see `Renderer.note`.
        """
        rate = request.rate or self._instrument.sample_rate
        key = self._key(request.pitch)
        return wav(
            self._wave(request.patch, key, request.velocity, rate, self._limits.render_seconds), rate, request.bits
        )

    def batch(self, request: BatchRequest) -> IO[bytes]:
        """A ZIP archive of several notes, in a file that is gone once it is closed.

        Raises:
            UserError, Busy, TimeoutError, RenderError: as `one`.
            Refusal: they are too long together.
        """
        instrument, deadline = self._instrument, time.monotonic() + self._limits.batch_seconds
        rate = request.rate or instrument.sample_rate
        keys = [self._key(note.pitch) for note in request.notes]
        if sum(instrument.seconds * rate / key.speed for key in keys) > self._limits.batch_samples:
            raise Refusal(413, "These are too many samples for one batch: ask for fewer notes or a lower rate.")
        file, made = tempfile.TemporaryFile(), []  # noqa: SIM115 (whoever sends it closes it)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:  # samples hardly shrink
            for index, (note, key) in enumerate(zip(request.notes, keys, strict=True)):
                left = min(self._limits.render_seconds, deadline - time.monotonic())
                wave = self._wave(note.patch, key, note.velocity, rate, left)
                name = f"{index:03d}_{note.pitch:03d}.wav"
                packed.writestr(name, wav(wave, rate, request.bits))
                made.append(
                    {"file": name, "pitch": note.pitch, "velocity": note.velocity, "patch": note.patch.to_json()}
                )
            manifest = {
                "instrument": name_of(instrument),
                "weights_sha256": instrument.bundle.digest,
                "sample_rate": rate,
                "files": made,
            }
            packed.writestr("manifest.json", json_text(manifest))
        file.seek(0)
        return file

    def _key(self, midi: int) -> Key:
        if midi not in self._keys:
            raise UserError(
                f"There is no key {midi}: this instrument's go from {min(self._keys)} to {max(self._keys)}."
            )
        return self._keys[midi]

    def _wave(self, patch: Patch, key: Key, velocity: int, rate: int, seconds: float) -> NDArray[np.float32]:
        instrument = self._instrument
        wave = self._renderer.note(patch.key(instrument.bundle.digest), patch, key.source, max(0.0, seconds))
        return repitch(wave, key, instrument.sample_rate, rate) * gain(velocity)


def exported(exporter: Exporter, request: ExportRequest) -> tuple[IO[bytes], str]:
    """What an exporter made, in a file that is gone once it is closed, and its suffix."""
    path = exporter(request)
    file = path.open("rb")
    with suppress(OSError):  # where an open file cannot be deleted, the exporter's own folder goes in the end
        path.unlink()
    return file, path.suffix


def gain(velocity: int) -> np.float32:
    """(velocity / 127)², as in `synthesizer.midi`."""
    return np.float32((velocity / 127.0) ** 2)


def wav(wave: NDArray[np.float32], rate: int, bits: int) -> bytes:
    """A mono WAV file of a wave (sample,): 32-bit floating point, or 16-bit integers clipped to ±1."""
    file = io.BytesIO()
    soundfile.write(file, wave if bits == 32 else np.clip(wave, -1.0, 1.0), rate, format="WAV", subtype=_SUBTYPES[bits])
    return file.getvalue()
