"""Generated digits evaluated by a classifier that was trained on real ones: class, spread over classes, diversity."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.bundle.pictures import PictureGan, PicturePredictions
from darktimbre.measures.classes import class_shares, classes_covered
from darktimbre.measures.inception import inception_score, inception_score_error
from darktimbre.measures.variation import mean_distance

LEAST_DIVERSITY = 0.5  # of real pictures'
FEWEST_CLASSES = 0.8  # of all: fewer covered is a collapse
LEAST_SCORE = 0.5  # of the real pictures' inception score: less is a collapse
PAIRED = 200  # pictures of a class whose distances to each other are measured


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The figures of generated or real pictures; shares, distance and diversity in the order of the classes."""

    pictures: int  # how many there were
    accuracy: float | None  # share predicted to be of the target class; None where there is none
    class_accuracy: tuple[float, ...] = ()  # the same of each class
    inception_score: float  # of the classifier's probabilities
    inception_score_error: float
    shares: tuple[float, ...]  # of the classes predicted
    covered: int  # classes with at least a tenth of an equal share
    distance: tuple[float, ...]  # mean distance of the embeddings of two pictures of a class; NaN without two
    diversity: tuple[float, ...]  # that, divided by that of real ones; 0 where a class has not two
    collapsed: str  # why this counts as a collapse; empty where it does not

    @property
    def mean_diversity(self) -> float:
        return float(np.mean(self.diversity))

    def to_json(self) -> dict[str, Any]:
        """Plain types, rounded for a line of text."""
        found = {
            "pictures": self.pictures,
            "accuracy": None if self.accuracy is None else round(self.accuracy, 4),
            "lowest_class_accuracy": round(min(self.class_accuracy), 4) if self.class_accuracy else None,
            "inception_score": round(self.inception_score, 3),
            "inception_score_error": round(self.inception_score_error, 3),
            "covered": self.covered,
            "smallest_share": round(min(self.shares), 4),
            "variety": round(self.mean_diversity, 3),
            "lowest_variety": round(min(self.diversity), 3),
            "collapsed": self.collapsed,
        }
        return {key: value for key, value in found.items() if value is not None}

    def in_short(self) -> str:
        """The figures in a line."""
        right = "" if self.accuracy is None else f"accuracy {self.accuracy:.1%}, "
        classes = f"{self.covered} of {len(self.shares)} classes"
        return f"{right}inception score {self.inception_score:.2f}, {classes}, diversity {self.mean_diversity:.2f}"

    def beside(self, real: "Scores") -> list[dict[str, str]]:
        """A table of the figures of generated pictures in words, beside those of real ones."""
        score = f"{self.inception_score:.2f} ± {self.inception_score_error:.2f}"
        rows = [
            ("inception score", score, f"{real.inception_score:.2f}"),
            ("classes covered", f"{self.covered} of {len(self.shares)}", f"{real.covered}"),
            ("smallest class", f"{min(self.shares):.1%}", f"{min(real.shares):.1%}"),
            ("diversity within a class", f"{self.mean_diversity:.2f} (lowest {min(self.diversity):.2f})", "1"),
            ("collapse", self.collapsed or "none", "none"),
        ]
        if self.accuracy is not None:
            found = f"{self.accuracy:.1%} (lowest class {min(self.class_accuracy):.1%})"
            rows.insert(0, ("accuracy", found, f"{real.accuracy:.1%}"))
        return [{"figure": figure, "generated": made, "real": truth} for figure, made, truth in rows]


def draw_classes(model: PictureGan, count: int) -> NDArray[np.int64]:
    """Target classes, all equally often, in turn (count,); empty for an unconditional generator."""
    return np.arange(count if model.conditional else 0, dtype=np.int64) % max(1, len(model.classes))


def scores_of(predicted: PicturePredictions, target: NDArray[np.int64], real: Scores | None = None) -> Scores:
    """The scores of pictures.

    Args:
        predicted: by the classifier.
        target: class of each picture (picture,), or empty.
        real: scores of held-out real pictures that these are compared with; None for those themselves.
    """
    count, classes = predicted.probabilities.shape
    named = predicted.probabilities.argmax(1)
    shares = class_shares(named, classes)
    score, covered = inception_score(predicted.probabilities), classes_covered(shares)
    distance = within_classes(predicted.embedding, target if len(target) else named, classes)
    ratio = np.ones(classes) if real is None else distance / np.array(real.distance)
    real_score = score if real is None else real.inception_score
    accuracy, of_class = None, np.zeros(0)
    if len(target):
        accuracy = float((named == target).mean())
        with np.errstate(invalid="ignore"):  # NaN for a class without pictures
            of_class = np.bincount(target, named == target, classes) / np.bincount(target, minlength=classes)
    return Scores(
        pictures=count,
        accuracy=accuracy,
        class_accuracy=tuple(of_class.tolist()),
        inception_score=score,
        inception_score_error=inception_score_error(predicted.probabilities),
        shares=tuple(shares.tolist()),
        covered=covered,
        distance=tuple(distance.tolist()),
        diversity=tuple(np.nan_to_num(ratio).tolist()),
        collapsed=collapse(covered, classes, score, real_score, float(np.nanmean(ratio))),
    )


def collapse(covered: int, classes: int, score: float, real_score: float, diversity: float) -> str:
    """Why a generator counts as collapsed: too few classes, an inception score far below the real pictures', or
    pictures of a class that are all alike, which neither of the two detects."""
    if covered < FEWEST_CLASSES * classes:
        return f"{covered} of {classes} classes are covered"
    if score < LEAST_SCORE * real_score:
        return f"the inception score is {score:.2f}, of real pictures {real_score:.2f}"
    if diversity < LEAST_DIVERSITY:
        return f"pictures of a class are {diversity:.2f} as varied as real ones"
    return ""


def within_classes(embedding: NDArray[np.float32], label: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Mean distance of two pictures of each class (class,), of its first `PAIRED`; NaN where there are not two."""
    each = (embedding[label == one][:PAIRED] for one in range(classes))
    return np.array([mean_distance(here) if len(here) > 1 else np.nan for here in each])
