"""Samples → folders of WAV files for stand-alone and Eurorack samplers, or one long file with slices."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.shape import fade_out
from darktimbre.export import riff
from darktimbre.export.folder import entry, manifest, sample_tags, write_manifest
from darktimbre.export.naming import plain_note, shortened
from darktimbre.export.plan import Zone, stems
from darktimbre.export.profiles import Profile
from darktimbre.export.samples import Bank, Sample
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer

CUT_FADE = 0.01  # s over which a note that is too long for the machine ends


def write_wavs(instrument: Synthesizer, bank: Bank, machine: Profile, folder: Path) -> tuple[int, int, int]:
    """Writes the samples and the manifest; how many sounds, and of these how many loop and how many had to be cut.

    Raises:
        UserError: there are more settings, or more notes, than the machine holds.
    """
    samples = [sample for _, sample in bank]
    if machine.reels:
        files, entries = _reels(instrument, bank, machine, samples, folder)
        cut = 0
    else:
        files, entries, cut = _single(instrument, bank, machine, samples, folder)
    write_manifest(folder, manifest(instrument, bank, "wavs", entries, hardware=machine.name, contents=files))
    return len(samples), sum("loop" in one for one in entries), cut


def _single(
    instrument: Synthesizer, bank: Bank, machine: Profile, samples: list[Sample], folder: Path
) -> tuple[list[str], list[dict[str, Any]], int]:
    """A file for each note."""
    plan = bank.plan
    places = _places(bank, machine, samples)
    entries: list[dict[str, Any]] = []
    cut = 0
    for sample, place in zip(samples, places, strict=True):
        kept, was_cut = _fitted(sample, machine, plan.rate)
        cut += was_cut
        tags = sample_tags(instrument, plan, kept)
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(riff.wav(_channels(kept.wave, machine), plan.rate, plan.bits, tags))
        entries.append(entry(place, kept, bank))
    return list(places), entries, cut


def _reels(
    instrument: Synthesizer, bank: Bank, machine: Profile, samples: list[Sample], folder: Path
) -> tuple[list[str], list[dict[str, Any]]]:
    """A long file for each setting, more where one would grow too long; each note is a slice of it."""
    plan = bank.plan
    longest = int(machine.seconds * plan.rate)
    by_setting: dict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_setting[sample.zone.setting].append(sample)
    reels: list[list[Sample]] = []
    for group in by_setting.values():
        reels.append([])
        for sample in group:
            filled = sum(len(one.wave) for one in reels[-1])
            if reels[-1] and (filled + len(sample.wave) > longest or len(reels[-1]) == machine.slices):
                reels.append([])
            reels[-1].append(sample)
    if len(reels) > len(machine.reel_names):
        raise UserError(
            f"{machine.title} holds {len(machine.reel_names)} reels, this makes {len(reels)}: take fewer settings."
        )
    files: list[str] = []
    entries: list[dict[str, Any]] = []
    for name, reel in zip(machine.reel_names, reels, strict=False):
        place = f"{name}.wav"
        starts = np.concatenate([[0], np.cumsum([len(one.wave) for one in reel])[:-1]]).astype(int).tolist()
        tags = riff.Tags(slices=starts, info=sample_tags(instrument, plan, reel[0]).info)
        whole = np.concatenate([one.wave for one in reel])
        (folder / place).write_bytes(riff.wav(_channels(whole, machine), plan.rate, plan.bits, tags))
        files.append(place)
        for index, (start, sample) in enumerate(zip(starts, reel, strict=True), start=1):
            facts = {**entry(place, sample, bank), "slice": index, "slice_start": start}
            facts.pop("loop", None)  # a loop point inside a slice means nothing to such machines
            entries.append(facts)
    return files, entries


def _fitted(sample: Sample, machine: Profile, rate: int) -> tuple[Sample, bool]:
    """The sample within the machine's longest file: cut with a short fade, its loop dropped where it lies beyond."""
    longest = machine.seconds * rate
    if len(sample.wave) <= longest:
        return sample, False
    wave = np.array(sample.wave[: int(longest)])
    fade = min(len(wave), round(CUT_FADE * rate))
    wave[len(wave) - fade :] *= fade_out(fade)
    loop = sample.loop if sample.loop is not None and sample.loop.end < len(wave) - fade else None
    return Sample(sample.zone, wave, loop), True


def _places(bank: Bank, machine: Profile, samples: list[Sample]) -> list[str]:
    """Path of each sample's file below the export's folder.

    Raises:
        UserError: a folder would hold more files than the machine shows.
    """
    names = stems(bank.plan)
    by_folder: dict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        by_folder[_filled(machine.folder, sample.zone, names, bank)].append(index)
    if len(by_folder) > machine.folders:
        raise UserError(
            f"{machine.title} has {machine.folders} folders, this makes {len(by_folder)}: take fewer settings."
        )
    places = [""] * len(samples)
    for place, members in by_folder.items():
        if len(members) > machine.files:
            raise UserError(
                f"{machine.title} shows {machine.files} files of a folder, this makes {len(members)}: "
                "take a larger --step, or fewer variations or velocity layers."
            )
        zones = [samples[index].zone for index in members]
        stem_list = [
            _filled(machine.unpitched if zone.source is None else machine.file, zone, names, bank) for zone in zones
        ]
        for index, stem in zip(members, shortened(stem_list, machine.stem), strict=True):
            places[index] = f"{place}/{stem}.wav" if place else f"{stem}.wav"
    return places


def _filled(pattern: str, zone: Zone, names: tuple[str, ...], bank: Bank) -> str:
    layer = f"v{zone.layer + 1}_" if bank.plan.velocity_layers > 1 else ""
    if bank.plan.variations > 1 and zone.source is not None:
        layer += f"{zone.variation + 1:02d}_"
    return pattern.format(
        setting=names[zone.setting],
        number=zone.setting + 1,
        number0=zone.setting,
        key=zone.root,
        note=plain_note(zone.root),
        layer=layer,
        variation=zone.variation + 1,
    )


def _channels(wave: NDArray[np.float32], machine: Profile) -> NDArray[np.float32]:
    return np.stack([wave] * machine.channels) if machine.channels > 1 else wave
