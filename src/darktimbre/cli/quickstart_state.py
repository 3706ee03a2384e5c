"""What a quickstart was begun with and how far it came: its folder and the `quickstart.json` in it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from darktimbre.audio.atomic import atomic_file
from darktimbre.notes.errors import UserError

if TYPE_CHECKING:
    from darktimbre.training.recipe import Recipe

BUILTIN = "built-in orchestra"
"""What plays the notes where there is no SoundFont."""

STARTERS = "darkgan-small"
"""The recipe that the starter was made by."""

GENTLE = 0.0001
"""Learning rate of going on from the starter: the one at which its own training ended.

Measured on 384 held-out notes: at the full rate 6,592 notes took pitch accuracy from 1.00 to 0.94 and attribute
correlation from 0.39 to 0.27; at this one 2,264 notes left 0.99 and 0.32. A corpus of 2,400 notes is soon known by
heart, whatever the rate.
"""


@dataclass(frozen=True)
class Settings:
    """What a quickstart was begun with; going on asks for the same.

    Attributes:
        notes: how many notes are rendered.
        sounds: path of a SoundFont, or `BUILTIN`.
        recipe: name or path of the recipe.
        teacher: whose tags are learned from.
        weights: its weights file, or "" for the one that is kept or shipped.
        from_scratch: whether the starter is left aside.
    """

    notes: int
    sounds: str
    recipe: str
    teacher: str
    weights: str
    from_scratch: bool

    def resolved(self) -> "Recipe":
        """The recipe with these settings."""
        from darktimbre.bundle.where import has_starter
        from darktimbre.training.reading import load_recipe

        changes = [f"data.teacher={self.teacher}", *(["init=scratch"] if self.from_scratch else [])]
        if self.recipe == STARTERS and has_starter() and not self.from_scratch:
            changes.append(f"optimiser.lr={GENTLE}")
        return load_recipe(self.recipe, changes)


@dataclass
class State:
    """The folder of a quickstart, and `quickstart.json` in it.

    Attributes:
        folder: where everything is.
        settings: what it was begun with.
        seconds: time spent on each step so far.
        training_since: when the training that is under way began (seconds since 1970); None between trainings.
        trained_whole: whether the recipe has come to its end.
    """

    folder: Path
    settings: Settings
    seconds: dict[str, float] = field(default_factory=dict)
    training_since: float | None = None
    trained_whole: bool = False

    @classmethod
    def find(cls, folder: Path) -> "State | None":
        """The quickstart that was begun in a folder, if any.

        Raises:
            UserError: the folder holds something else.
        """
        file = folder / "quickstart.json"
        if not file.exists():
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise UserError(f"{folder} is not empty and holds no quickstart: choose another folder with --run.")
            return None
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            settings = Settings(**data["settings"])
            return cls(folder, settings, data["seconds"], data["training_since"], data["trained_whole"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{file} cannot be read ({error}): delete {folder}, or choose another --run.") from None

    def save(self) -> None:
        """Writes `quickstart.json`."""
        data = {
            "settings": asdict(self.settings),
            "seconds": self.seconds,
            "training_since": self.training_since,
            "trained_whole": self.trained_whole,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(self.folder / "quickstart.json") as temporary:
            temporary.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @contextmanager
    def clock(self, step: str) -> Iterator[None]:
        """Adds the time spent inside to a step, also where it is broken off."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[step] = round(self.seconds.get(step, 0.0) + time.monotonic() - began, 2)
            self.save()

    @property
    def corpus(self) -> Path:
        return self.folder / "corpus"

    @property
    def training(self) -> Path:
        return self.folder / "training"

    @property
    def bundle(self) -> Path:
        return self.training / "bundle"

    @property
    def sounds(self) -> Path:
        return self.folder / "sounds"

    @property
    def report(self) -> Path:
        return self.folder / "report.json"

    @property
    def picture(self) -> Path:
        return self.folder / "spectrograms.png"
