"""Partials kept: sounds whose partials, vibrato and tremolo are known."""

import numpy as np
import pytest

from darktimbre.measures.partials import (
    Partials,
    band_depth,
    frame_depth,
    loud_frames,
    modulation_kept,
    partials,
    partials_kept,
    unevenness,
)

RATE, N_FFT, HOP = 16_000, 2048, 256
FRAMES_A_SECOND = RATE / HOP
CENTRES = np.fft.rfftfreq(N_FFT, 1 / RATE)


def tone(f0: float = 220.0, *, cents: float = 0.0, tremolo_db: float = 0.0, decay_db: float = 0.0) -> np.ndarray:
    """Twelve harmonics of 2 s with vibrato and tremolo of 6 Hz (amplitudes), and a decay in dB a second."""
    time = np.arange(2 * RATE) / RATE
    bend = 2 ** (cents / 1200 * np.sin(2 * np.pi * 6 * time))
    phase = 2 * np.pi * f0 * np.cumsum(bend) / RATE
    wave = sum(np.sin(k * phase) / k for k in range(1, 13))
    return np.asarray(wave * 10 ** ((tremolo_db * np.sin(2 * np.pi * 6 * time) - decay_db * time) / 20))


def levels(*waves: np.ndarray, floor: float = 1e-2) -> np.ndarray:
    """(note, bin, frame) dB, frames wholly inside."""
    cut = np.stack([np.lib.stride_tricks.sliding_window_view(w, N_FFT)[::HOP] for w in waves])
    spectra = np.abs(np.fft.rfft(cut * np.hanning(N_FFT + 1)[:-1], axis=-1))
    return np.asarray(20 * np.log10(spectra + floor).transpose(0, 2, 1))


def kept(original: np.ndarray, copy: np.ndarray, f0: float = 220.0) -> float:
    one, other = (partials(each[None], CENTRES, [f0]) for each in (original, copy))
    return float(partials_kept(one, other, loud_frames(original[None]))[0])


def test_a_copy_keeps_all_a_flat_spectrogram_nothing() -> None:
    spectrogram = levels(tone())[0]
    assert kept(spectrogram, spectrogram) == 1
    assert kept(spectrogram, spectrogram - 30) == pytest.approx(1)  # quieter as a whole
    assert kept(spectrogram, np.zeros_like(spectrogram)) == 0
    assert kept(spectrogram, -spectrogram) == 0  # valleys where partials were


@pytest.mark.parametrize("part", [0.25, 0.5, 0.85])
def test_contrast_in_db_is_what_is_measured(part: float) -> None:
    spectrogram = levels(tone())[0]
    assert kept(spectrogram, part * spectrogram) == pytest.approx(part, abs=1e-9)


def test_what_stands_out_more_does_not_make_up_for_what_is_lost() -> None:
    spectrogram = levels(tone())[0]
    sharper = 2 * spectrogram
    sharper[CENTRES > 1500] = -40.0  # harmonics from the 7th up are gone
    assert kept(spectrogram, 2 * spectrogram) == pytest.approx(1)
    assert 0.3 < kept(spectrogram, sharper) < 0.65


def test_another_pitch_keeps_little() -> None:
    assert kept(levels(tone())[0], levels(tone(220 * 2**0.5))[0]) < 0.4  # every third or so is there too


def test_noise_has_no_partials() -> None:
    noise = levels(np.random.default_rng(0).standard_normal(2 * RATE))
    found = partials(noise, CENTRES, [220.0])
    assert np.isnan(partials_kept(found, found, loud_frames(noise))[0])
    unpitched = partials(levels(tone()), CENTRES, [np.nan])
    assert np.isnan(unpitched.height).all()
    assert np.isnan(partials_kept(unpitched, unpitched, loud_frames(levels(tone())))[0])


def test_silent_frames_do_not_count() -> None:
    spectrogram, copy = levels(tone()), levels(tone())
    spectrogram[:, :, 60:] = -80.0
    copy[:, :, 60:] = np.random.default_rng(0).normal(-80, 20, copy[:, :, 60:].shape)
    assert kept(spectrogram[0], copy[0]) == 1


def test_bands_that_do_not_resolve_harmonics_are_left_out() -> None:
    wide = np.arange(50, 8000, 150.0)
    found = partials(np.zeros((1, len(wide), 3)), wide, [100.0])
    assert np.isnan(found.height).all()
    with pytest.raises(ValueError, match="do not go together"):
        partials(np.zeros((1, 5, 3)), wide, [100.0])


def test_depth_of_a_sine_within_the_band_and_beside_it() -> None:
    time = np.arange(120) / FRAMES_A_SECOND
    for hertz in (4, 6.3, 9, 12):
        assert band_depth(3 * np.sin(2 * np.pi * hertz * time), FRAMES_A_SECOND) == pytest.approx(3 / 2**0.5, rel=0.05)
    assert band_depth(np.sin(2 * np.pi * 20 * time), FRAMES_A_SECOND) < 0.02
    assert band_depth(np.sin(2 * np.pi * 1 * time), FRAMES_A_SECOND) < 0.05
    assert band_depth(5 - 60 * time, FRAMES_A_SECOND) == pytest.approx(0, abs=1e-9)  # a decay in dB


def modulated(original: np.ndarray, copy: np.ndarray) -> tuple[float, ...]:
    one, other = (partials(each[None], CENTRES, [220.0]) for each in (original, copy))
    found = modulation_kept(one, other, loud_frames(original[None]), frame_rate=FRAMES_A_SECOND)
    return tuple(float(part[0]) for part in found)


def test_tremolo() -> None:
    full, half, none = (levels(tone(tremolo_db=db))[0] for db in (4, 2, 0))
    assert modulated(full, full)[0] == 1
    assert modulated(full, half)[0] == pytest.approx(0.5, abs=0.06)
    assert modulated(full, none)[0] < 0.1
    assert modulated(full, full)[2] == pytest.approx(0.674 * 4 / 2**0.5, rel=0.1)  # sinc(x)/(1 − x²), x = 6 Hz · 128 ms
    later = np.roll(full, 5, axis=1)  # the same depth at another phase
    assert modulated(full, later)[0] > 0.9
    assert np.isnan(modulated(none, full)[0])  # nothing to keep


def test_noise_keeps_all_modulation_and_the_ratio_tells() -> None:
    original = levels(tone(tremolo_db=2))[0]
    noisy = original + np.random.default_rng(0).normal(0, 12, original.shape)
    found = modulated(original, noisy)
    assert found[0] > 0.95
    assert found[4] > 2
    assert modulated(original, original)[4] == 1


def test_the_depth_of_whole_frames() -> None:
    steady, shaken = levels(tone()), levels(tone(tremolo_db=4))
    depth = [float(frame_depth(one, loud_frames(one), frame_rate=FRAMES_A_SECOND)[0]) for one in (steady, shaken)]
    assert depth[0] < 0.05
    assert depth[1] == pytest.approx(0.674 * 4 / 2**0.5, rel=0.2)  # as that of its partials
    # Bands that fluctuate independently even out; all at once do not.
    noise = np.random.default_rng(0).normal(0, 6, (1, 400, 100))
    alone = frame_depth(noise, np.ones((1, 100), bool), frame_rate=FRAMES_A_SECOND)[0]
    together = frame_depth(noise[:, :1] + np.zeros((1, 400, 1)), np.ones((1, 100), bool), frame_rate=FRAMES_A_SECOND)[0]
    assert together > 5 * alone
    louder = frame_depth(shaken + 30, loud_frames(shaken), frame_rate=FRAMES_A_SECOND)[0]
    assert louder == pytest.approx(depth[1])
    assert np.isnan(frame_depth(shaken, np.zeros((1, shaken.shape[2]), bool), frame_rate=FRAMES_A_SECOND)[0])


def test_vibrato() -> None:
    full, half, none = (levels(tone(cents=cents))[0] for cents in (30, 15, 0))
    assert modulated(full, full)[1] == 1
    assert modulated(full, half)[1] == pytest.approx(0.5, abs=0.12)
    assert modulated(full, none)[1] < 0.1
    assert np.isnan(modulated(none, full)[1])


def test_a_decay_is_no_modulation_and_a_short_note_has_none() -> None:
    assert np.isnan(modulated(levels(tone(decay_db=15))[0], levels(tone())[0])[0])
    short = levels(tone(tremolo_db=4))[0]
    short[:, 20:] = -90.0
    assert np.isnan(modulated(short, short)).all()


def test_partials_that_fall_evenly_are_even_and_formants_are_not() -> None:
    """Of levels in a straight line it is 0; of alternating ones ±d it is 4d/3, whatever the tilt."""
    numbers = np.arange(8)
    for alternating in (0.0, 3.0):
        level = -3.0 * numbers + alternating * (-1.0) ** numbers
        known = Partials(*(np.repeat(level[None, :, None], 5, axis=2),) * 3)
        found = unevenness(known, np.ones((1, 5), bool))
        assert found[0] == pytest.approx(4 / 3 * alternating, abs=1e-9)
    few = Partials(*(np.where(numbers[None, :, None] < 2, 0.0, np.full((1, 8, 5), np.nan)),) * 3)
    assert np.isnan(unevenness(few, np.ones((1, 5), bool))).all()
