"""An export into a folder, with its manifest."""

import json
from pathlib import Path
from typing import Any

from darktimbre.export.packing import Exported, export, make_plan
from darktimbre.synthesizer.patch import Patch
from darktimbre.synthesizer.synthesizer import Synthesizer


def exported(
    form: str, instrument: Synthesizer, out: Path, *patches: Patch, **settings: Any
) -> tuple[Exported, dict[str, Any]]:
    plan, machine = make_plan(instrument, form, patches, **settings)
    return export(instrument, form, plan, out, machine), json.loads((out / "manifest.json").read_text())
