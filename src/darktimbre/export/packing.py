"""One way into all sampler formats: settings in, a folder or a zip out; for the command line and the page."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darktimbre.export import plan as planning
from darktimbre.export.folder import export_folder, refuse_foreign_archive, zip_folder
from darktimbre.export.naming import slug
from darktimbre.export.plan import Plan
from darktimbre.export.profiles import GENERIC, Profile, profile
from darktimbre.export.sampler import write_instrument
from darktimbre.export.samples import Progress, even, render
from darktimbre.export.wavs import write_wavs
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.patch import Patch
from darktimbre.synthesizer.synthesizer import Synthesizer

FORMS = ("sfz", "decentsampler", "wavs")


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to."""

    path: Path  # the instrument's file, or the folder, in the finished export
    samples: int  # sound files or, in one long file, slices
    looped: int  # of these, how many loop
    shortened: int  # of these, how many were cut to what the device takes
    gain: float  # factor from the synthesizer's samples to these
    # settings whose notes sound for as long as the key is held; the others' end by themselves
    held: tuple[str, ...] = ()
    switches: tuple[int, ...] = ()  # keys that choose the settings
    equal_layers: tuple[str, ...] = ()  # settings whose velocity layers are all the same, since they set no words


def make_plan(
    instrument: Synthesizer,
    form: str,
    patches: Sequence[Patch],
    *,
    hardware: str = GENERIC,
    title: str = "",
    rate: int | None = None,
    bits: int | None = None,
    **settings: Any,
) -> tuple[Plan, Profile]:
    """The plan of an export, with what the device wants; `settings` are further fields of the plan.

    Raises:
        UserError: a value is out of range, or the device does not take it.
    """
    if form not in FORMS:
        raise UserError(f"There is no format {form!r} for samplers; choose one of {', '.join(FORMS)}.")
    machine = profile(hardware if form == "wavs" else GENERIC)
    settings |= {"rate": machine.rate if rate is None else rate, "bits": machine.bits if bits is None else bits}
    machine.refuse(rate=settings["rate"], bits=settings["bits"])
    if form == "wavs":
        settings["arrangement"] = "layers"  # folders share no keys: none is left to switches
    return Plan(patches=tuple(patches), title=title or Path(instrument.bundle.origin).name, **settings), machine


def export(
    instrument: Synthesizer, form: str, plan: Plan, out: Path, machine: Profile, progress: Progress | None = None
) -> Exported:
    """Renders and writes a whole export as the folder `out`.

    Raises:
        UserError: `out` holds something else, a setting cannot be played, or the device cannot hold it.
    """
    with export_folder(out) as folder:
        bank = render(instrument, plan, planning.zones(instrument, plan), progress)
        alike = _equal_layers(plan)
        if form == "wavs":
            return Exported(out, *write_wavs(instrument, bank, machine, folder), bank.gain, equal_layers=alike)
        bank, switches = even(bank), planning.switches(instrument, plan)
        path = write_instrument(instrument, form, bank, switches, folder)
    held = sorted({zone.setting for zone, name in zip(bank.zones, bank.ids, strict=True) if name in bank.loops})
    return Exported(
        out / path.name,
        len(bank.waves),
        len(bank.loops),
        0,
        bank.gain,
        tuple(plan.names[setting] for setting in held),
        switches,
        alike,
    )


def export_archive(
    instrument: Synthesizer, form: str, plan: Plan, archive: Path, machine: Profile, progress: Progress | None = None
) -> Exported:
    """As `export`, as one zip. Raises UserError as `export`."""
    refuse_foreign_archive(archive)
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".export-") as folder:
        exported = export(instrument, form, plan, Path(folder) / "export", machine, progress)
        zip_folder(Path(folder) / "export", archive)
    return exported


def export_zip(
    instrument: Synthesizer,
    form: str,
    patches: Sequence[Patch],
    folder: Path,
    *,
    progress: Progress | None = None,
    **settings: Any,
) -> Path:
    """As `export_archive`, into a file of its own name in `folder`; `settings` are those of `make_plan`.

    Raises:
        UserError: as `make_plan` and `export`.
    """
    plan, machine = make_plan(instrument, form, patches, **settings)
    archive = folder / archive_name(slug(plan.title), form)
    export_archive(instrument, form, plan, archive, machine, progress)
    return archive


def archive_name(stem: str, form: str) -> str:
    """DecentSampler opens a zip as a library by its extension."""
    return f"{stem}.dslibrary" if form == "decentsampler" else f"{stem}.zip"


def _equal_layers(plan: Plan) -> tuple[str, ...]:
    if plan.velocity_layers == 1:
        return ()
    return tuple(name for name, patch in zip(plan.names, plan.patches, strict=True) if not patch.attributes)
