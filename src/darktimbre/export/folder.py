"""An export's folder: written whole or not at all, with a manifest of how each sample was made; or as one zip."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import darktimbre
from darktimbre.audio.atomic import atomic_file, atomic_folder, is_litter
from darktimbre.export import riff
from darktimbre.export.plan import Plan
from darktimbre.export.samples import Bank, Sample
from darktimbre.notes.errors import UserError
from darktimbre.notes.text import json_text
from darktimbre.synthesizer.patch import Patch
from darktimbre.synthesizer.synthesizer import Synthesizer

MANIFEST = "manifest.json"
_ARRANGED = ("arrangement", "velocity_layers", "variations", "step", "rate", "bits", "normalise")  # of a plan
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time of a zip: the same export gives the same file


@contextmanager
def export_folder(out: Path) -> Iterator[Path]:
    """Yields an empty folder that becomes `out` in the end; an earlier export there is replaced, nothing else.

    Raises:
        UserError: there is something at `out` that is not an export of darktimbre's, or was added to one.
    """
    _refuse_foreign(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(out) as folder:
        yield folder


def manifest(
    instrument: Synthesizer, bank: Bank, form: str, files: list[dict[str, Any]], **more: Any
) -> dict[str, Any]:
    """How an export was made: the instrument, the settings, and for each file what sounds in it."""
    plan = bank.plan
    return {
        "darktimbre": "export",
        "version": 1,
        "format": form,
        "title": plan.title,
        "made_by": f"darktimbre {darktimbre.__version__}",
        "instrument": Path(instrument.bundle.origin).name,
        "weights_sha256": instrument.bundle.digest,
        "licence_of_training_sounds": licence(instrument),
        **{key: getattr(plan, key) for key in _ARRANGED},
        "gain": bank.gain,
        "settings": [
            {"name": name, "patch": patch.to_json()} for name, patch in zip(plan.names, plan.patches, strict=True)
        ],
        **more,
        "files": files,
    }


def entry(path: str, sample: Sample, bank: Bank) -> dict[str, Any]:
    """One file's part of the manifest."""
    zone = sample.zone
    facts: dict[str, Any] = {
        "file": path,
        "setting": bank.plan.names[zone.setting],
        "velocity_layer": zone.layer + 1,
        "pitch": zone.source,
        "root_key": zone.root,
        "attributes": {name: round(value, 6) for name, value in zone.patch.attributes.items()},
        **place(zone.patch),
        "samples": len(sample.wave),
    }
    if sample.loop is not None:
        loop = sample.loop
        facts["loop"] = {
            "start": loop.start,
            "end": loop.end,
            "match": round(loop.match, 4),
            "drift_db": round(loop.drift, 2),
        }
    return facts


def place(patch: Patch) -> dict[str, Any]:
    """Which latent a patch plays, and at what level, as JSON has it."""
    given = patch.to_json()
    drawn = ("seed", "pad") if patch.latent is None else ("latent",)
    return {name: given[name] for name in (*drawn, "level_db") if name in given}


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> None:
    """The last file of an export."""
    (folder / MANIFEST).write_text(json_text(facts), encoding="utf-8")


def licence(instrument: Synthesizer) -> str:
    """What the model card says of the sounds the instrument was trained on; empty where it says nothing."""
    corpus = (instrument.bundle.config.get("provenance") or {}).get("corpus") or {}
    return str(corpus.get("licence", "")) if isinstance(corpus, dict) else ""


def sample_tags(instrument: Synthesizer, plan: Plan, sample: Sample) -> riff.Tags:
    """What a file holds beside its sample: root, loop, keys and velocities; name, program, attributes as keywords."""
    zone, loop = sample.zone, sample.loop
    words = ", ".join(f"{name} {value:.2f}" for name, value in zone.patch.attributes.items())
    origin = f"{Path(instrument.bundle.origin).name} {instrument.bundle.digest[:12]}"
    latent = zone.patch.latent
    drawn = (
        f"seed {zone.patch.seed}" if latent is None else "latent " + " ".join(f"{value:.4g}" for value in latent[:16])
    )
    info = {
        riff.NAME: plan.names[zone.setting],
        riff.SOFTWARE: f"darktimbre {darktimbre.__version__}",
        riff.COMMENT: f"{origin}, {drawn}" + (f", {words}" if words else ""),
        riff.KEYWORDS: ";".join(zone.patch.attributes),
    }
    return riff.Tags(
        root=float(zone.root),
        loop=None if loop is None else (loop.start, loop.end),
        keys=(zone.low, zone.high),
        velocities=(zone.softest, zone.hardest),
        info=info,
    )


def zip_folder(folder: Path, out: Path) -> Path:
    """All files of a folder as one zip, whole or not at all; the same files give the same zip."""
    with atomic_file(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as pack:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            info = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _EPOCH)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            pack.writestr(info, file.read_bytes())
    return out


def refuse_foreign_archive(out: Path) -> None:
    """As `export_folder` is about folders: only an earlier export may be replaced.

    Raises:
        UserError: there is something at `out` that is no archive of darktimbre's.
    """
    if not out.exists() and not out.is_symlink():
        return
    try:
        with zipfile.ZipFile(out) as pack:
            ours = json.loads(pack.read(MANIFEST))["darktimbre"] == "export"
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        ours = False
    if not ours:
        raise UserError(f"{out} is there and is no export of darktimbre: name a new archive.")


def _refuse_foreign(out: Path) -> None:
    if not out.exists() and not out.is_symlink():
        return
    if out.is_symlink() or not out.is_dir():
        raise UserError(f"{out} is there and is no folder: name a new one.")
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir() and not is_litter(path)}
    if not found:
        return
    try:
        earlier = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        ours = earlier["darktimbre"] == "export"
        known = {MANIFEST, *earlier["contents"]}
    except (OSError, ValueError, KeyError, TypeError):
        ours, known = False, set()
    if not ours:
        raise UserError(f"{out} holds files that are no export of darktimbre: name a new folder.")
    if added := sorted(found - known):
        raise UserError(
            f"{out} is an earlier export to which {added[0]} was added: move it away, or name a new folder."
        )
