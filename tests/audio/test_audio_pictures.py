"""Spectrograms for the eye show the frequency that sounds, silence as silence, and come out equal for equal sounds."""

from pathlib import Path

import numpy as np
import pytest

from darktimbre.audio.pictures import log_spectrogram, panels, spectrogram_grid

RATE = 8000
SINE = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)


def test_a_sine_peaks_at_its_frequency_at_0_db() -> None:
    picture = log_spectrogram(SINE, size=512, hop=128)
    assert picture.shape == (257, RATE // 128 + 1)
    assert picture.max() == 0.0
    assert (picture[:, 5:-5].argmax(axis=0) == 1000 * 512 // RATE).all()
    np.testing.assert_allclose(log_spectrogram(0.01 * SINE), log_spectrogram(SINE), atol=1e-2)


def test_silence_is_at_the_floor() -> None:
    assert (log_spectrogram(np.zeros(RATE)) == -80.0).all()


def test_a_grid_of_sounds_of_any_length(tmp_path: Path) -> None:
    waves = [SINE, SINE[:100], np.zeros(3000, np.float32)]
    one = spectrogram_grid(waves, RATE, ["a", "b", "c"], tmp_path / "new" / "one.png", heading="three")
    two = spectrogram_grid(waves, RATE, ["a", "b", "c"], tmp_path / "two.png", heading="three")
    assert one.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert one.read_bytes() == two.read_bytes()
    with pytest.raises(ValueError, match="1 waves and 2 titles"):
        spectrogram_grid([SINE], RATE, ["a", "b"], tmp_path / "no.png")
    assert not (tmp_path / "no.png").exists()


def test_panels_are_written_whole_or_not_at_all_and_equal_curves_give_equal_bytes(tmp_path: Path) -> None:
    def draw(path: Path, values: list[float]) -> bytes:
        with panels(path, ["loss", "accuracy"], heading="run", across="thousand notes seen", size=(3.0, 2.0)) as axes:
            assert len(axes) == 2
            for axis in axes:
                axis.plot([0.0, 1.0, 2.0], values)
        return path.read_bytes()

    first = draw(tmp_path / "a.png", [3.0, 2.0, 1.0])
    assert first == draw(tmp_path / "b.png", [3.0, 2.0, 1.0])
    assert first != draw(tmp_path / "b.png", [3.0, 2.0, 2.0])
    with pytest.raises(ValueError, match="same first dimension"):
        draw(tmp_path / "a.png", [1.0])
    assert (tmp_path / "a.png").read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]
