"""Are sounds set by words nearer to these words than those of random mixes? The table of docs/words.md.

`DARKTIMBRE_HOME=… python -m benchmarks.words --out FOLDER [--bundle starter] [--choose]`: 100 descriptions written by
hand (tests/synthesizer/descriptions.toml). `--choose` tries mixes on one half of each class, with which
`synthesizer/words.py` was set; without it the other half gives the figures. Needs the extra `words`, YAMNet, MusiCNN.

Nearness of a sound to a text: the cosine of the text's vector with the sum of all labels' vectors, each weighted by a
tagger's score; `centred`: by how much the score is above the mean of the random mixes. The random mix of a note has the
same shares on attributes drawn at random, the same pitch and seed; the intervals resample descriptions.
"""

import argparse
import json
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from darktimbre import teachers
from darktimbre.audio.atomic import write_json
from darktimbre.extractors.musicnn import MusicnnEmbedder, log_mel, patches
from darktimbre.measures.interval import bootstrap_mean
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer import words
from darktimbre.synthesizer.synthesizer import Synthesizer

DESCRIPTIONS = Path(__file__).parents[1] / "tests/synthesizer/descriptions.toml"
NOTES, SEED = 4, 16  # of each description; of the random mixes
# MagnaTagATune's tags in the order of MusiCNN's outputs
TAGS = (
    "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano", "ambient",
    "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing", "vocals", "no vocals",
    "harpsichord", "loud", "quiet", "flute", "woman", "male vocal", "no vocal", "pop", "soft", "sitar", "solo", "man",
    "classic", "choir", "voice", "new age", "dance", "male voice", "female vocal", "beats", "harp", "cello",
    "no voice", "weird", "country", "metal", "female voice", "choral",
)  # fmt: skip
Array = NDArray[np.float64]
Read = Callable[[NDArray[np.float32]], Array]


def descriptions(first: bool) -> list[tuple[str, str]]:
    """(class, text) of one half."""
    classes = tomllib.loads(DESCRIPTIONS.read_text(encoding="utf-8"))
    return [(name, text) for name, texts in classes.items() for text in texts[0 if first else 1 :: 2]]


def yamnet() -> tuple[Sequence[str], Read]:
    """Its labels, and (note, sample) → (note, label) probabilities."""
    tagger = teachers.load("yamnet")
    return tagger.labels, lambda waves: torch.sigmoid(tagger.logits(torch.from_numpy(waves))).double().numpy()


def musicnn() -> tuple[Sequence[str], Read]:
    """As `yamnet`, of a network that neither trained the starter nor chose its attributes."""
    network = MusicnnEmbedder.load().network

    @torch.inference_mode()
    def read(waves: NDArray[np.float32]) -> Array:
        parts = patches(log_mel(torch.from_numpy(waves)))
        tags = torch.cat([torch.sigmoid(network(part).tags) for part in parts.flatten(0, 1).split(16)])
        return tags.unflatten(0, parts.shape[:2]).mean(1).double().numpy()

    return TAGS, read


class Trial:
    """One instrument with what reads its sounds."""

    def __init__(self, bundle: str) -> None:
        embed = words._installed()
        if embed is None:
            raise UserError("The extra `words` is missing: pip install 'darktimbre[words]'.")
        self.instrument, self.embed = Synthesizer.from_pretrained(bundle), embed
        self.words = words.Words(self.instrument, lambda: embed)
        self.readers = {"yamnet": yamnet(), "musicnn": musicnn()}
        self.vectors = {name: embed(labels) for name, (labels, _) in self.readers.items()}
        trained = sorted(self.instrument.attributes.pitches)
        self.pitches = [trained[int(part * (len(trained) - 1))] for part in np.linspace(0.1, 0.9, NOTES)]

    def alike(self, text: str) -> Array:
        return words.likeness(self.embed([text])[0], self.words._vectors)

    def read(self, found: Array, full: bool) -> dict[str, Array]:
        """(note, label) of the notes of a mix (label,) of shares, or one mix a note."""
        rows = np.broadcast_to(found, (NOTES, found.shape[-1]))
        soft = np.stack([self.values(row, full) for row in rows]).astype(np.float32)
        waves = self.instrument.render(pitch=self.pitches, attributes=soft, seed=list(range(NOTES)))
        return {name: read(waves) for name, (_, read) in self.readers.items()}

    def values(self, found: Array, full: bool) -> Array:
        """(label,) as `Words.values` sets them; else the largest share takes the highest value of the examples."""
        base = self.words._baseline
        highest = np.asarray(self.instrument.bundle.config["examples"]).max(axis=0)
        return self.words.values(found) if full else base + found / found.max() * np.maximum(highest - base, 0.0)

    def compared(self, mixes: Sequence[Array], texts: Sequence[str], full: bool) -> dict[str, dict[str, Array]]:
        """Tagger → (text,) nearness: `own`, `random`, and `centred`, the difference with the mean subtracted."""
        draw = np.random.default_rng(SEED)
        own = [self.read(mix, full) for mix in mixes]
        random = [self.read(np.stack([draw.permutation(mix) for _ in range(NOTES)]), full) for mix in mixes]
        figures = {}
        for name in self.readers:
            heard, chance = (np.stack([one[name] for one in each]) for each in (own, random))  # (text, note, label)
            mean = chance.mean((0, 1))
            near, centred = (
                [self.near(name, scores - less, texts) for scores in (heard, chance)] for less in (0.0, mean)
            )
            figures[name] = {"own": near[0], "random": near[1], "centred": centred[0] - centred[1]}
        return figures

    def near(self, name: str, scores: Array, texts: Sequence[str]) -> Array:
        """(text,) the mean cosine of its notes' readings (text, note, label) with the text."""
        read = scores @ self.vectors[name]
        read /= np.linalg.norm(read, axis=-1, keepdims=True)
        return np.einsum("tnd,td->tn", read, self.embed(texts)).mean(1)


def choose(trial: Trial) -> dict[str, object]:
    """The threshold by balanced accuracy, then sizes and levels of mixes, all on the first half."""
    half = descriptions(first=True)
    alike = {text: trial.alike(text) for _, text in half}
    best = {
        kind: np.array([alike[text].max() for name, text in half if (name == "meaningless") == kind]) for kind in (0, 1)
    }
    candidates = np.arange(0.15, 0.45, 0.01)
    accuracy = [((best[0] >= one).mean() + (best[1] < one).mean()) / 2 for one in candidates]
    least = float(candidates[int(np.argmax(accuracy))])
    found: dict[str, object] = {"least": least, "balanced accuracy": max(accuracy)}
    texts = [text for name, text in half if name != "meaningless" and alike[text].max() > least]
    for most in (1, 2, 3, 5, 8):
        for full in (False, True):
            figures = trial.compared([words.shares(alike[text], least=least, most=most) for text in texts], texts, full)
            found[f"{most} attributes, {'to 1' if full else 'to the highest example'}"] = {
                name: float((one["own"] - one["random"]).mean()) for name, one in figures.items()
            }
    return found


def report(trial: Trial) -> dict[str, object]:
    """The figures of the other half, class by class."""
    half = descriptions(first=False)
    alike = {text: trial.alike(text) for _, text in half}
    meant = {text: alike[text].max() > words.LEAST for _, text in half}
    texts = [text for name, text in half if name != "meaningless" and meant[text]]
    figures = trial.compared([words.shares(alike[text]) for text in texts], texts, full=True)
    found: dict[str, object] = {}
    for kind in [*dict.fromkeys(name for name, _ in half), "all but meaningless"]:
        inside = [text for name, text in half if name == kind or (kind[:3] == "all" and name != "meaningless")]
        row: dict[str, object] = {"descriptions": len(inside), "mean something": sum(meant[text] for text in inside)}
        places = [place for place, text in enumerate(texts) if text in inside]
        for name, one in figures.items() if places else ():
            more = (one["own"] - one["random"])[places]
            row[name] = {
                "own": one["own"][places].mean(),
                "random": one["random"][places].mean(),
                "difference": bootstrap_mean(more),
                "nearer": (more > 0).mean(),
                "centred difference": bootstrap_mean(one["centred"][places]),
            }
        found[kind] = row
    mixes = {text: {trial.words.names[at]: round(float(words.shares(alike[text])[at]), 2)
                    for at in np.argsort(-alike[text])[: words.MOST] if words.shares(alike[text])[at]}
             for _, text in half}  # fmt: skip
    return {"classes": found, "mixes": mixes}


def main() -> None:
    """Writes `choice.json` or `report.json`, and prints it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bundle", default="starter")
    parser.add_argument("--choose", action="store_true")
    given = parser.parse_args()
    trial = Trial(given.bundle)
    found = choose(trial) if given.choose else report(trial)
    given.out.mkdir(parents=True, exist_ok=True)
    plain = json.loads(json.dumps(found, default=float))
    write_json(given.out / ("choice.json" if given.choose else "report.json"), plain)
    print(json.dumps(plain, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
