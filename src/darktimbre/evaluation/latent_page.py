"""Latents of notes → one page to turn them in: HTML that holds everything and fetches nothing.

The page is `templates/latent_page.html.jinja`; its script draws dots on canvases, without any library.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from darktimbre.audio.atomic import atomic_file
from darktimbre.evaluation.latent_pictures import Cloud, colourings, in_space
from darktimbre.notes.pitch import note_name

MOST = 5000  # notes of a model


def write_page(clouds: Sequence[Cloud], path: Path, *, title: str = "Latents", seed: int = 0) -> Path:
    """Writes the page: models side by side, turned together, coloured by semitone, octave or style."""
    environment = Environment(
        loader=PackageLoader("darktimbre.evaluation"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    data = json.dumps([_model(one.thinned(MOST, seed)) for one in clouds], separators=(",", ":"), ensure_ascii=True)
    # Within a script element only "<" could end it.
    held = Markup(data.replace("<", "\\u003c"))
    text = environment.get_template("latent_page.html.jinja").render(title=title, data=held)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path.absolute()) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _model(cloud: Cloud) -> dict[str, Any]:
    """What the script reads of a model: places in thousandths, one label a note and colouring."""
    notes = cloud.notes
    spots = np.round(1000 * in_space(cloud.latents)).astype(int)
    names = notes.corpus.column("id")[notes.rows]
    pitches = [note_name(int(one)) if one >= 0 else "no pitch" for one in notes.pitch]
    styles = [notes.styles[one] if one >= 0 else "untagged" for one in notes.style]
    return {
        "name": cloud.name,
        "axes": ["z1", "z2", "z3"] if cloud.latents.shape[1] <= 3 else ["PC 1", "PC 2", "PC 3"],
        "dimensions": int(cloud.latents.shape[1]),
        "places": spots.ravel().tolist(),
        "titles": [f"{n} · {p} · {s}" for n, p, s in zip(names.tolist(), pitches, styles, strict=True)],
        "colourings": [
            {
                "name": one.name,
                "classes": list(one.classes),
                "colours": list(one.colours),
                "label": one.label.tolist(),
                "leak": cloud.leak(one.name),
            }
            for one in colourings(notes)
        ],
    }
