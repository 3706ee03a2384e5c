"""Real samplers for what is exported: sfizz (its Python bindings), and Polyphone's SFZ reader with FluidSynth."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from darktimbre.export import riff

RATE = 44_100
BLOCK = 64  # samples; sfizz starts a note the more exactly, the shorter its blocks are
CALIBRATION_KEY = 60


class Sfizz:
    """sfizz playing one SFZ file; its own gain is measured with a sound of known level and divided out."""

    def __init__(self, path: Path) -> None:
        from pysfizz.synth import Synth

        # sfizz holds the first 8192 samples of a file in memory and reads on in the background, which a test that runs
        # faster than real time outruns: a copy of the text makes it hold all.
        held = path.with_name(f".held-{path.name}")
        held.write_text(f"<control> hint_ram_based=1\n{path.read_text('utf-8')}", encoding="utf-8")
        self._player = Synth(sample_rate=RATE, block_size=BLOCK)
        assert self._player.load_sfz_file(held), f"sfizz does not take {path}"
        held.unlink()
        self._synth = self._player._synth
        self.regions = self._synth.get_num_regions()
        self.gain = 1.0

    def tap(self, key: int) -> None:
        """Strikes a key-switch."""
        self._synth.note_on(0, key, 100)
        self._synth.note_off(0, key, 0)
        self._synth.render_block()

    def note(self, key: int, velocity: int = 127, held: float = 2.0, seconds: float = 2.0) -> NDArray[np.float64]:
        """(sample,) the left channel; both are the same for mono samples."""
        self._synth.all_sound_off()
        self._synth.render_block()
        left, right = self._player.render_note(key, velocity, held, seconds)
        np.testing.assert_array_equal(left, right)
        return np.asarray(left, np.float64) / self.gain


def sfizz(path: Path, room: Path) -> Sfizz:
    """The sampler with its gain known."""
    sampler, bare = Sfizz(path), Sfizz(calibration(room))
    sampler.gain = float(np.sqrt((bare.note(CALIBRATION_KEY, held=0.5, seconds=0.4)[4410:13230] ** 2).mean())) / 0.5
    return sampler


def calibration(room: Path) -> Path:
    """An SFZ file with a sine of effective level 0.5 on one key."""
    sine = 0.5 * np.sqrt(2) * np.sin(2 * np.pi * 441.0 * np.arange(RATE) / RATE)
    (room / "sine.wav").write_bytes(riff.wav(sine, RATE, 24))
    path = room / "sine.sfz"
    path.write_text(f"<region> sample=sine.wav key={CALIBRATION_KEY} pitch_keycenter={CALIBRATION_KEY}\n")
    return path


def polyphone(path: Path, out: Path) -> Path:
    """The SFZ file as a SoundFont, by Debian's polyphone; skipped where it is not installed, except in CI."""
    if shutil.which("polyphone") is None:
        if os.environ.get("CI"):
            pytest.fail("polyphone must be installed where CI is set: apt-get install polyphone")
        pytest.skip("the Debian package polyphone is not installed")
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "XDG_RUNTIME_DIR": str(out), "HOME": str(out)}
    subprocess.run(
        ["polyphone", "-1", "-i", str(path), "-d", str(out), "-o", "converted"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=True,
    )
    return out / "converted.sf2"


def fluid_note(font: Path, key: int, velocity: int = 127, seconds: float = 2.0) -> NDArray[np.float64]:
    """(sample,) a note of a SoundFont by FluidSynth: left channel, no reverb, no chorus."""
    import fluidsynth

    synth = fluidsynth.Synth(gain=1.0, samplerate=float(RATE))
    for name in ("synth.reverb.active", "synth.chorus.active"):
        synth.setting(name, 0)
    number = synth.sfload(str(font))
    synth.program_select(0, number, 0, 0)
    synth.cc(0, 7, 127)
    synth.noteon(0, key, velocity)
    stereo = np.asarray(synth.get_samples(int(seconds * RATE)), np.float64).reshape(-1, 2) / 32768.0
    synth.delete()
    return stereo[:, 0]


def aligned(played: NDArray[np.floating], own: NDArray[np.floating], most: int = 400) -> tuple[float, float]:
    """Correlation and level (dB, played above own) at the delay, up to `most` samples, where they agree best.

    A delay of a fraction of a sample is a turn of the spectrum's phase; it is found to a sixteenth.
    """
    count = 1 << (len(own) + most).bit_length()
    ours = np.fft.rfft(own, count)
    theirs = np.fft.rfft(played[: len(own) + most], count)
    fine = np.fft.irfft(theirs * np.conj(ours), 16 * count) * 16
    delay = int(np.argmax(fine[: 16 * most])) / 16.0
    turned = np.fft.irfft(ours * np.exp(-2j * np.pi * np.fft.rfftfreq(count) * delay), count)[: len(own) + most]
    found = np.pad(played, (0, max(0, len(turned) - len(played))))[: len(turned)]
    correlation = float(found @ turned / np.linalg.norm(found) / np.linalg.norm(turned))
    return correlation, float(20 * np.log10(np.linalg.norm(found) / np.linalg.norm(turned)))
