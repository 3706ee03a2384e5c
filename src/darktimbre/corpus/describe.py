"""What is in a corpus, as plain numbers and words: the facts that `darktimbre info` prints and draws."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.corpus.classes import OTHER
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.splits import POLICIES, SPLITS
from darktimbre.corpus.styles import describe_styles
from darktimbre.notes.note import FAMILIES
from darktimbre.notes.pitch import note_name

_TOLD_FROM = 12  # pitched notes


def kinds(corpus: Corpus) -> NDArray[np.str_]:
    """What each note is filed under, (note,): its family; without one, its category; without either, "other"."""
    family, category = corpus.column("family"), corpus.column("category")
    return np.where(family != "", family, np.where(category != "", category, OTHER))


def ordered_kinds(corpus: Corpus) -> list[str]:
    """The kinds in a corpus: NSynth's families in their order, then categories by name, then "other"."""
    found = set(kinds(corpus).tolist())
    families = [family for family in FAMILIES if family in found]
    rest = sorted(found - set(families) - {OTHER})
    return families + rest + ([OTHER] if OTHER in found else [])


def tagged_by(corpus: Corpus) -> list[str]:
    """Names of the teachers whose tags lie beside the corpus."""
    return sorted(file.parent.name for file in (corpus.path / "tags").glob("*/tags.json"))


def _quantiles(values: NDArray[np.floating]) -> dict[str, float]:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return {"5%": round(float(low), 1), "median": round(float(middle), 1), "95%": round(float(high), 1)}


def describe(corpus: Corpus) -> dict[str, Any]:
    """The facts of a corpus in JSON's plain types; it reads no audio."""
    kind, split, instrument = kinds(corpus), corpus.column("split"), corpus.column("instrument")
    pitch = corpus.column("pitch")
    pitched = pitch[pitch >= 0]
    velocity = corpus.column("velocity")
    seconds = corpus.samples / corpus.sample_rate
    table = {}
    for name in ordered_kinds(corpus):
        here = kind == name
        parts = {part: int((here & (split == part)).sum()) for part in SPLITS}
        table[name] = {"notes": int(here.sum()), "instruments": len(set(instrument[here].tolist())), **parts}
    remarks = [
        f"The {part} split is empty; a corpus of few instruments is better made with `--split random`."
        for part in ("train", "valid")
        if not (split == part).any()
    ]
    policy = corpus.meta["split"]["policy"]
    if policy == "instrument" and (remark := _all_different(instrument[pitch >= 0])):
        remarks.append(remark)
    return {
        "name": corpus.name,
        "notes": len(corpus),
        "instruments": len(set(instrument.tolist())),
        "sample_rate": corpus.sample_rate,
        "seconds": seconds,
        "hours": round(len(corpus) * seconds / 3600.0, 3),
        "splits": {
            part: {"notes": int((split == part).sum()), "instruments": len(set(instrument[split == part].tolist()))}
            for part in SPLITS
        },
        "split_policy": POLICIES.get(policy, policy),
        "divided": _divided(corpus, policy),
        "kinds": table,
        "sources": dict(Counter(source or "unknown" for source in corpus.column("source").tolist()).most_common()),
        "pitch": {
            "lowest": int(pitched.min()) if pitched.size else None,
            "highest": int(pitched.max()) if pitched.size else None,
            "names": f"{note_name(int(pitched.min()))} to {note_name(int(pitched.max()))}" if pitched.size else "",
            "unpitched": int((pitch < 0).sum()),
            "from": dict(corpus.meta["provenance"].get("pitch_sources", {})),
        },
        "velocities": sorted({int(value) for value in velocity.tolist() if value >= 0}),
        "peak_db": _quantiles(corpus.column("peak_db")),
        "rms_db": _quantiles(corpus.column("rms_db")),
        "styles": describe_styles(corpus),
        # Earlier versions counted what was "quarantined".
        "counts": {name.replace("quarantined", "rejected"): count for name, count in corpus.meta["counts"].items()},
        "rejected": dict(Counter(reason.split(":", 1)[0] for _, reason in corpus.rejected()).most_common()),
        "tagged_by": tagged_by(corpus),
        "licence": corpus.meta["licence"],
        "provenance": corpus.meta["provenance"],
        "digest": corpus.digest,
        "created_by": corpus.meta["created_by"],
        "remarks": remarks,
    }


def _divided(corpus: Corpus, policy: str) -> dict[str, int | str]:
    """How many instruments (recordings, where those are what the split keeps together) lie in more than one split."""
    unit = "recording" if policy == "style" else "instrument"
    keys = corpus.column("split_key" if policy == "style" else "instrument").tolist()
    pairs = set(zip(keys, corpus.column("split").tolist(), strict=True))
    return {"unit": unit, "in_several": sum(count > 1 for count in Counter(key for key, _ in pairs).values())}


def _all_different(instruments: NDArray[np.str_]) -> str:
    """A remark, where hardly two pitched notes share an instrument: then it was probably not found in their names."""
    if len(instruments) < _TOLD_FROM or len(set(instruments.tolist())) < 0.9 * len(instruments):
        return ""
    return (
        f"Hardly any of the {len(instruments)} pitched notes share an instrument; where they are notes of one, name it "
        "in a metadata.csv (file_name, instrument), or what is held out is trained on, too."
    )


def describe_pictures(corpus: Corpus) -> dict[str, Any]:
    """The facts of a corpus of pictures in JSON's plain types; it reads no picture."""
    category, split = corpus.column("category"), corpus.column("split")
    return {
        "name": corpus.name,
        "notes": len(corpus),
        "picture": list(corpus.picture or ()),
        "splits": {part: int((split == part).sum()) for part in SPLITS},
        "kinds": {
            str(name): {
                "notes": int((category == name).sum()),
                **{part: int(((category == name) & (split == part)).sum()) for part in SPLITS},
            }
            for name in np.unique(category)
        },
        "licence": corpus.meta["licence"],
        "provenance": corpus.meta["provenance"],
        "digest": corpus.digest,
        "created_by": corpus.meta["created_by"],
        "remarks": [f"The {part} split is empty." for part in SPLITS if not (split == part).any()],
    }
