"""A SoundFont of sines, and the skip where libfluidsynth is not installed."""

import struct
from pathlib import Path

import numpy as np
import pytest

from darktimbre.corpus import fluid
from darktimbre.notes.errors import UserError

SAMPLE_RATE = 44_100
KEYS, PAN, DELAY, ATTENUATION, INSTRUMENT, LOOP, SAMPLE, ROOT = 43, 17, 33, 48, 41, 54, 53, 58


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _list(kind: bytes, *chunks: bytes) -> bytes:
    return _chunk(b"LIST", kind + b"".join(chunks))


def write_soundfont(path: Path) -> Path:
    """Presets: 0:0 a sine far left and, later, far right; 0:1 a sine above 8 kHz; 128:0 one on keys 50 to 60."""
    period = 100  # samples, so A4's 441 Hz is 4 cents above 440
    low = np.round(12000 * np.sin(2 * np.pi * np.arange(period * 20) / period)).astype("<i2")
    high = np.round(12000 * np.sin(2 * np.pi * np.arange(2205) / 4.41)).astype("<i2")  # 500 periods of 10 kHz
    gap = np.zeros(46, dtype="<i2")
    starts = [0, len(low) + 46]
    audio = np.concatenate([low, gap, high, gap]).tobytes()
    headers = b"".join(
        struct.pack("<20sIIIIIBbHH", name, at, at + len(wave), at, at + len(wave), SAMPLE_RATE, 69, 0, 0, 1)
        for name, at, wave in ((b"low", starts[0], low), (b"high", starts[1], high))
    ) + struct.pack("<20sIIIIIBbHH", b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0)
    zones = [  # of three instruments: generators in the order the standard wants
        [[(PAN, -500), (LOOP, 1), (SAMPLE, 0)], [(PAN, 500), (DELAY, -3600), (LOOP, 1), (SAMPLE, 0)]],
        [[(LOOP, 1), (SAMPLE, 1)]],
        [[(KEYS, 50 | 60 << 8), (LOOP, 1), (SAMPLE, 0)]],
    ]
    bags, generators, instruments, first = b"", b"", b"", 0
    for index, instrument in enumerate(zones):
        instruments += struct.pack("<20sH", b"inst%d" % index, len(bags) // 4)
        for zone in instrument:
            bags += struct.pack("<HH", first, 0)
            for number, value in zone:
                generators += struct.pack("<HH", number, value & 0xFFFF)
            first += len(zone)
    instruments += struct.pack("<20sH", b"EOI", len(bags) // 4)
    bags += struct.pack("<HH", first, 0)
    generators += struct.pack("<HH", 0, 0)
    presets = [(b"Wide Sine", 0, 0), (b"Too High", 1, 0), (b"Kit", 0, 128)]
    heads = b"".join(struct.pack("<20sHHHIII", n, p, b, i, 0, 0, 0) for i, (n, p, b) in enumerate(presets))
    heads += struct.pack("<20sHHHIII", b"EOP", 0, 0, len(presets), 0, 0, 0)
    preset_bags = b"".join(struct.pack("<HH", i, 0) for i in range(len(presets) + 1))
    preset_generators = b"".join(struct.pack("<HH", INSTRUMENT, i) for i in range(len(presets))) + struct.pack(
        "<HH", 0, 0
    )
    none = struct.pack("<HHhHH", 0, 0, 0, 0, 0)
    body = b"sfbk" + _list(
        b"INFO", _chunk(b"ifil", struct.pack("<HH", 2, 4)), _chunk(b"isng", b"EMU8000\0"), _chunk(b"INAM", b"Sines\0"),
        _chunk(b"ICOP", b"made by a test\0\0"),
    ) + _list(b"sdta", _chunk(b"smpl", audio)) + _list(
        b"pdta", _chunk(b"phdr", heads), _chunk(b"pbag", preset_bags), _chunk(b"pmod", none),
        _chunk(b"pgen", preset_generators), _chunk(b"inst", instruments), _chunk(b"ibag", bags),
        _chunk(b"imod", none), _chunk(b"igen", generators), _chunk(b"shdr", headers),
    )  # fmt: skip
    path.write_bytes(_chunk(b"RIFF", body))
    return path


@pytest.fixture(scope="session")
def sines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_soundfont(tmp_path_factory.mktemp("fonts") / "sines.sf2")


@pytest.fixture
def playable() -> None:
    try:
        fluid.load_library()
    except UserError:
        pytest.skip("libfluidsynth is not installed on this machine")
