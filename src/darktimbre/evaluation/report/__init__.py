"""The end of the way: an evaluation → `report.md`, `report.html`, `report.json` and `figures/`, to judge by."""

import json
from dataclasses import replace
from pathlib import Path

from darktimbre.audio.atomic import atomic_file
from darktimbre.evaluation.results import Evaluation

__all__ = ["write"]


def write(evaluation: Evaluation, folder: Path) -> None:
    """Writes the report; its sounds lie in the folder already.

    Equal evaluations give equal bytes. Every file appears whole or not at all; figures of an earlier report that this
    one has no numbers for go away.

    Args:
        evaluation: what was found; names `Sound.file` relative to the folder. A sound without its file is listed as
            left out.
        folder: made if need be.
    """
    from darktimbre.evaluation.report.document import TITLE, document
    from darktimbre.evaluation.report.figures import rendered
    from darktimbre.evaluation.report.html import html, sound_address
    from darktimbre.evaluation.report.markdown import markdown
    from darktimbre.evaluation.report.pictures import pictures

    folder = Path(folder)
    drawn = pictures(evaluation)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    drawings = {}
    for name, (_, draw) in drawn.items():
        png, drawings[name] = rendered(draw)
        _write(folder / "figures" / f"{name}.png", png)
        _write(folder / "figures" / f"{name}.svg", drawings[name].encode())
    for old in (folder / "figures").iterdir():
        if old.suffix in (".png", ".svg") and old.stem not in drawn:
            old.unlink()
    silent = [s.file for one in evaluation.systems for s in one.sounds if sound_address(folder, s.file) is None]
    missing = tuple(f"The sound {file} is not in the report's folder." for file in dict.fromkeys(silent))
    told = replace(evaluation, left_out=(*evaluation.left_out, *missing))
    sections = document(told, {name: picture for name, (picture, _) in drawn.items()})
    _write(folder / "report.md", markdown(TITLE, sections).encode())
    _write(folder / "report.html", html(TITLE, sections, drawings, folder).encode())
    text = json.dumps(evaluation.to_json(), ensure_ascii=False, allow_nan=False, indent=1)
    _write(folder / "report.json", (text + "\n").encode())


def _write(path: Path, content: bytes) -> None:
    with atomic_file(path.absolute()) as temporary:
        temporary.write_bytes(content)
