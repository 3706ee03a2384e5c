"""One way into all sampler formats: settings in, a folder or a zip out; for the command line and the page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darktimbre.export import plan as planning
from darktimbre.export.folder import export_folder, zip_folder
from darktimbre.export.naming import slug
from darktimbre.export.plan import Arrangement, Normalise, Plan
from darktimbre.export.profiles import GENERIC, Profile, profile
from darktimbre.export.samples import Bank, Progress, render
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.patch import Patch

if TYPE_CHECKING:
    from darktimbre.synthesizer.synthesizer import Synthesizer

FORMS = ("sfz", "decentsampler", "wavs")


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to.

    Attributes:
        path: the instrument's file, or the folder, in the finished export.
        samples: sound files or, in one long file, slices.
        looped: of these, how many loop.
        shortened: of these, how many were cut to what the hardware takes.
        gain: factor from the synthesizer's samples to these.
        switches: keys that choose the settings.
        equal_layers: settings whose velocity layers are all the same, since they set no words.
    """

    path: Path
    samples: int
    looped: int
    shortened: int
    gain: float
    switches: tuple[int, ...] = ()
    equal_layers: tuple[str, ...] = ()


def make_plan(
    instrument: "Synthesizer",
    form: str,
    patches: Sequence[Patch],
    *,
    title: str = "",
    arrangement: Arrangement = "keyswitch",
    velocity_layers: int = 1,
    step: int = 1,
    rate: int | None = None,
    bits: int | None = None,
    loops: bool = True,
    normalise: Normalise = "peak",
    hardware: str = GENERIC,
) -> tuple[Plan, Profile]:
    """The plan of an export, with what the hardware wants.

    Raises:
        UserError: a value is out of range, or the hardware does not take it.
    """
    if form not in FORMS:
        raise UserError(f"There is no format {form!r} for samplers; choose one of {', '.join(FORMS)}.")
    machine = profile(hardware if form == "wavs" else GENERIC)
    given: dict[str, Any] = {"rate": rate or machine.rate, "bits": bits or machine.bits}
    machine.refuse(rate=given["rate"], bits=given["bits"])
    plan = Plan(
        patches=tuple(patches),
        title=title or Path(instrument.bundle.origin).name,
        arrangement=arrangement,
        velocity_layers=velocity_layers,
        step=step,
        loops=loops,
        normalise=normalise,
        **given,
    )
    return plan, machine


def export(
    instrument: "Synthesizer", form: str, plan: Plan, out: Path, machine: Profile, progress: Progress | None = None
) -> Exported:
    """Renders and writes a whole export as the folder `out`.

    Raises:
        UserError: `out` holds something else, a setting cannot be played, or the hardware cannot hold it.
    """
    with export_folder(out) as folder:
        bank = render(instrument, plan, planning.zones(instrument, plan), progress)
        switches = planning.switches(instrument, plan)
        if form == "wavs":
            from darktimbre.export.wavs import write_wavs

            written = write_wavs(instrument, bank, machine, folder)
            return Exported(out, written.samples, written.looped, written.shortened, bank.gain)
        from darktimbre.export.decentsampler import write_decentsampler
        from darktimbre.export.sfz import write_sfz

        writer: Callable[..., Path] = write_sfz if form == "sfz" else write_decentsampler
        path = writer(instrument, bank, switches, folder)
        looped = _looped(folder)
    return Exported(out / path.name, len(bank.waves), looped, 0, bank.gain, switches, _equal_layers(plan))


def export_zip(
    instrument: "Synthesizer",
    form: str,
    patches: Sequence[Patch],
    folder: Path,
    *,
    progress: Progress | None = None,
    **settings: Any,
) -> Path:
    """As `export`, as one zip in `folder`; `settings` are those of `make_plan`.

    Raises:
        UserError: as `make_plan` and `export`.
    """
    plan, machine = make_plan(instrument, form, patches, **settings)
    stem = slug(plan.title)
    unpacked = folder / stem
    export(instrument, form, plan, unpacked, machine, progress)
    return zip_folder(unpacked, folder / archive_name(stem, form))


def archive_name(stem: str, form: str) -> str:
    """DecentSampler opens a zip as a library by its extension."""
    return f"{stem}.dslibrary" if form == "decentsampler" else f"{stem}.zip"


def _looped(folder: Path) -> int:
    import json

    from darktimbre.export.folder import MANIFEST

    told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return sum("loop" in one for one in told["files"])


def _equal_layers(plan: Plan) -> tuple[str, ...]:
    if plan.velocity_layers == 1:
        return ()
    return tuple(name for name, patch in zip(plan.names, plan.patches, strict=True) if not patch.attributes)


__all__ = ["FORMS", "Bank", "Exported", "archive_name", "export", "export_zip", "make_plan"]
