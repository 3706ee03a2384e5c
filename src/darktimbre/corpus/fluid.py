"""FluidSynth as a pure function: preset, key and velocity in, the same samples out whatever was played before."""

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.notes.errors import UserError

MISSING = (
    "FluidSynth is not installed: `apt install fluidsynth fluid-soundfont-gm` (or `brew install fluid-synth`, or on "
    "Windows its DLL in the PATH) "
    "brings it, and `darktimbre render OUT --builtin` renders without it."
)

_BLOCK = 64  # frames FluidSynth computes at a time; a note begins with a block
_CHANNEL = 0
_BEST_INTERPOLATION = 7  # 7th-order, the best FluidSynth has
_POLYPHONY = 256  # voices; one note of a layered preset takes a dozen
_DELAY = 33  # number of the generator delayVolEnv (SoundFont 2.04 specification, §8.1.2)
_BREATH = 2  # controller that "expressive" presets take their loudness from in place of velocity; others ignore it
_SILENCE_DB = -60.0  # peak below which a note counts as silent, in dB below full scale
_CLEAN_RATE = 44_100  # Hz, of the samples inside nearly every SoundFont


def load_library() -> Any:
    """The pyfluidsynth module, with FluidSynth's chatter switched off.

    Raises:
        UserError: the library, or its Python binding, is not there.
    """
    try:
        import fluidsynth
    except (ImportError, OSError, AttributeError):
        raise UserError(MISSING) from None
    for level in range(5):  # panic, error, warning, information, debug: what matters is in the return values
        fluidsynth._fl.fluid_set_log_function(level, None, None)
    return fluidsynth


@dataclass(frozen=True, slots=True)
class Take:
    """How every note of a corpus is played."""

    sample_rate: int  # of the corpus, in Hz
    samples: int  # length of a note
    hold: int  # samples before the key is let go
    fade: int  # samples of the fade-out at the end
    gain: float  # FluidSynth's master gain (its own default is 0.2)

    @property
    def oversampling(self) -> int:
        """Whole number of times the corpus's rate at which FluidSynth runs.

        FluidSynth does not filter what a lower output rate cannot hold: run at 16 kHz itself, the aliases of its
        saw-tooth lie 13 to 20 dB below the note. Run at 44.1 kHz or more and properly brought down, they lie 33 dB and
        more below.
        """
        return -(-_CLEAN_RATE // self.sample_rate)


@dataclass(frozen=True, slots=True)
class Played:
    """Notes as they were played: (note, sample) int16, and of each whether it was silent or had to be turned down."""

    audio: NDArray[np.int16]
    silent: NDArray[np.bool_]
    turned_down: NDArray[np.bool_]


class FluidSynth:
    """One FluidSynth with one SoundFont: mono, dry (no reverb, no chorus), no dither.

    Raises:
        UserError: FluidSynth is not there or refuses the SoundFont.
    """

    def __init__(self, soundfont: str, take: Take) -> None:
        self._library = load_library()
        self._take = take
        self._file = soundfont
        self._synth = self._library.Synth(
            gain=take.gain,
            samplerate=take.sample_rate * take.oversampling,
            channels=16,
            **{
                "synth.reverb.active": 0,
                "synth.chorus.active": 0,
                "synth.midi-bank-select": "gs",
                "synth.dynamic-sample-loading": 1,  # only the samples of the preset that plays are in memory
                "synth.lock-memory": 0,
                "synth.min-note-length": 0,
                "synth.cpu-cores": 1,
                "synth.polyphony": _POLYPHONY,
            },
        )
        pointer, number = ctypes.c_void_p, ctypes.c_int
        self._write = self._library.cfunc(
            "fluid_synth_write_float", number, ("synth", pointer, 1), ("frames", number, 1),
            ("left", pointer, 1), ("left_from", number, 1), ("left_step", number, 1),
            ("right", pointer, 1), ("right_from", number, 1), ("right_step", number, 1),
        )  # fmt: skip
        interpolate = self._library.cfunc(
            "fluid_synth_set_interp_method",
            number,
            ("synth", pointer, 1),
            ("channel", number, 1),
            ("method", number, 1),
        )
        interpolate(self._synth.synth, -1, _BEST_INTERPOLATION)
        self._voices = self._library.cfunc(
            "fluid_synth_get_voicelist",
            None,
            ("synth", pointer, 1),
            ("buffer", pointer, 1),
            ("size", number, 1),
            ("id", number, 1),
        )
        self._generator = self._library.cfunc(
            "fluid_voice_gen_get", ctypes.c_float, ("voice", pointer, 1), ("which", number, 1)
        )
        self._id = self._synth.sfload(soundfont)
        if self._id < 0:
            self.close()
            raise UserError(f"FluidSynth cannot load the SoundFont {soundfont}.")

    def close(self) -> None:
        """Frees the synthesizer and the SoundFont."""
        self._synth.delete()

    def _frames(self, count: int) -> NDArray[np.float32]:
        """The next `count` frames (a whole number of blocks), mixed to mono."""
        stereo = np.zeros((2, count), dtype=np.float32)
        left, right = stereo[0].ctypes.data, stereo[1].ctypes.data
        self._write(self._synth.synth, count, left, 0, 1, right, 0, 1)
        return stereo.mean(axis=0)

    def _until_all_sound(self) -> int:
        """Frames, in whole blocks, until every voice that was just started is past its delay."""
        voices = (ctypes.c_void_p * _POLYPHONY)()
        self._voices(self._synth.synth, voices, _POLYPHONY, -1)
        delays = [self._generator(voice, _DELAY) for voice in voices if voice]
        seconds = 2.0 ** (max(delays, default=-12000.0) / 1200.0)  # generators of time are in cents of a second
        rate = self._take.sample_rate * self._take.oversampling
        return (int(min(seconds, 1e4) * rate) // _BLOCK + 4) * _BLOCK

    def _note(self, key: int, velocity: int) -> NDArray[np.float32]:
        """One note at FluidSynth's own rate, in whole blocks."""
        times = self._take.oversampling
        held = -(-self._take.hold * times // _BLOCK) * _BLOCK
        total = -(-self._take.samples * times // _BLOCK) * _BLOCK
        # A voice begins at the panning its predecessor in the same slot ended with and glides to its own for one block.
        # So each note is started twice: once all its voices have sounded, the slots stand at its own panning, whatever
        # was played before.
        self._synth.cc(_CHANNEL, _BREATH, velocity)
        self._synth.noteon(_CHANNEL, key, velocity)
        self._frames(min(total, self._until_all_sound()))
        self._synth.all_sounds_off(_CHANNEL)
        self._frames(_BLOCK)
        self._synth.noteon(_CHANNEL, key, velocity)
        sound = [self._frames(min(held, total))]
        if held < total:
            self._synth.noteoff(_CHANNEL, key)
            sound.append(self._frames(total - held))
        self._synth.all_sounds_off(_CHANNEL)
        self._frames(_BLOCK)
        return np.concatenate(sound)

    def play(self, bank: int, program: int, keys: list[tuple[int, int]]) -> Played:
        """Plays (key, velocity) pairs on one preset.

        A note louder than full scale is turned down until it fits, never clipped. A note whose peak stays under −60 dB
        is silent: the preset has nothing on that key.

        Raises:
            UserError: the SoundFont has no such preset.
        """
        import soxr

        if self._synth.program_select(_CHANNEL, self._id, bank, program) != 0:
            raise UserError(f"The SoundFont {self._file} has no preset {bank}:{program}.")
        take = self._take
        fade = np.cos(np.linspace(0.0, np.pi / 2, take.fade, dtype=np.float32)) ** 2
        audio = np.zeros((len(keys), take.samples), dtype=np.int16)
        silent, turned_down = np.zeros(len(keys), dtype=bool), np.zeros(len(keys), dtype=bool)
        for row, (key, velocity) in enumerate(keys):
            sound = self._note(key, velocity)
            if take.oversampling > 1:
                sound = soxr.resample(sound, take.sample_rate * take.oversampling, take.sample_rate, quality="HQ")
            sound = np.pad(sound[: take.samples], (0, max(0, take.samples - len(sound))))
            if take.fade:
                sound[-take.fade :] *= fade
            peak = float(np.abs(sound).max())
            if not np.isfinite(peak) or peak < 10.0 ** (_SILENCE_DB / 20.0):
                silent[row] = True
                continue
            if peak > 32767 / 32768:
                turned_down[row] = True
                sound *= np.float32(32767 / 32768 / peak)
            audio[row] = np.rint(sound * np.float32(32768)).astype(np.int16)
        return Played(audio, silent, turned_down)
