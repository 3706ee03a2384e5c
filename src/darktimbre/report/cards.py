"""Results, such as a dissection's → one page that holds everything and fetches nothing, and JSON beside it.

A page is sections of items; an item has bars with intervals, players and pictures, and can be sorted by its bars.
"""

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import soundfile
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from darktimbre.audio.atomic import atomic_file
from darktimbre.report.own import refuse_foreign

NOTHING = "nothing clear"  # a verdict like any other
DYNAMIC = 60.0  # dB that a picture of a sound spans
WINDOW, TOP_HZ = 1024, 6000.0  # samples of its window; above this frequency it is cut off


@dataclass(frozen=True)
class Sound:
    """A player."""

    label: str
    wave: NDArray[np.float32]  # (sample,); brought to full scale where it exceeds it
    rate: int  # Hz

    @property
    def address(self) -> str:
        wave = self.wave / max(1.0, float(np.abs(self.wave).max(initial=0.0)))
        packed = io.BytesIO()
        soundfile.write(packed, wave, self.rate, format="FLAC", subtype="PCM_16")
        return _address("audio/flac", packed.getvalue())

    @property
    def picture(self) -> "Picture":
        """Its spectrogram: levels in dB from its loudest place down to `DYNAMIC` below."""
        frames = np.lib.stride_tricks.sliding_window_view(np.pad(self.wave, (WINDOW // 2,) * 2), WINDOW)[:: WINDOW // 4]
        magnitude = np.abs(np.fft.rfft(frames * np.hanning(WINDOW)))[:, : int(TOP_HZ / self.rate * WINDOW)].T
        levels = 20 * np.log10(magnitude / max(float(magnitude.max()), 1e-9) + 1e-9)
        return Picture(self.label, levels[::-1].clip(-DYNAMIC, 0) / DYNAMIC + 1)


@dataclass(frozen=True)
class Picture:
    """An image: values in [0, 1], `(height, width)` drawn in false colours, or `(height, width, 3)` as they are."""

    label: str
    values: NDArray[np.floating]

    @property
    def address(self) -> str:
        packed = io.BytesIO()
        colours: dict[str, Any] = {} if self.values.ndim == 3 else {"cmap": "magma", "vmin": 0, "vmax": 1}
        matplotlib.image.imsave(packed, np.ascontiguousarray(self.values.clip(0, 1)), format="png", **colours)
        return _address("image/png", packed.getvalue())


@dataclass(frozen=True)
class Bar:
    """A figure with its 95 % interval, drawn from 0; None where it is not known."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Item:
    """One unit, word or example."""

    title: str
    verdict: str = ""
    bars: Sequence[Bar] = ()
    sounds: Sequence[Sound] = ()
    pictures: Sequence[Picture] = ()

    @property
    def sorted_by(self) -> str:
        """Its figures by label, for the page's script."""
        return json.dumps({bar.label: bar.value for bar in self.bars})


@dataclass(frozen=True)
class Section:
    """A heading, a paragraph, items or a table (its first row the headings)."""

    title: str
    text: str = ""
    items: Sequence[Item] = ()
    table: Sequence[Sequence[str]] = ()

    @property
    def keys(self) -> list[str]:
        """What its items can be sorted by: the labels of their bars."""
        return list(dict.fromkeys(bar.label for item in self.items for bar in item.bars))

    def scale(self, label: str) -> float:
        """The largest magnitude among the bars of that label: the end of their axis."""
        bars = [bar for item in self.items for bar in item.bars if bar.label == label]
        ends = [abs(one) for bar in bars for one in (bar.value, bar.low, bar.high) if one is not None]
        return max([*ends, 1e-9])


def write(folder: Path, title: str, text: str, sections: Sequence[Section], data: Any, *, stem: str = "report") -> Path:
    """Writes `report.html` and `report.json` (`data`, in JSON's types), each whole or not at all.

    Returns:
        The page.

    Raises:
        UserError: a file of that name is there that is no report.
    """
    environment = Environment(
        loader=PackageLoader("darktimbre.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("cards.html.jinja").render(title=title, text=text, sections=sections)
    refuse_foreign(folder, stem)
    folder.mkdir(parents=True, exist_ok=True)
    kept = json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    for name, content in ((f"{stem}.html", page), (f"{stem}.json", kept)):
        with atomic_file((folder / name).absolute()) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return folder / f"{stem}.html"


def _address(media: str, content: bytes) -> str:
    return f"data:{media};base64,{base64.b64encode(content).decode()}"
