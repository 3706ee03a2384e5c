"""A generator of digits judged by a classifier that was trained on real ones: class, spread over classes, variety."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.bundle.pictures import Judgement, PictureClassifier, PictureGan
from darktimbre.measures.classes import class_shares, classes_covered
from darktimbre.measures.inception import inception_score, inception_score_error
from darktimbre.measures.variation import mean_distance

LEAST_VARIETY = 0.5  # of real pictures'
FEWEST_CLASSES = 0.8  # of all: fewer covered is a collapse
LEAST_SCORE = 0.5  # of the real pictures' inception score: less is a collapse
PAIRED = 200  # pictures of a class whose distances to each other are measured


@dataclass(frozen=True, kw_only=True)
class Real:
    """Held-out real pictures as the classifier sees them: what generated ones are compared with.

    Attributes:
        accuracy: how often the classifier names their class.
        inception_score: of their probabilities.
        shares: (class,) of the classes they are named.
        distance: (class,) mean distance of the embeddings of two of a class; NaN where there are not two.
    """

    accuracy: float
    inception_score: float
    shares: NDArray[np.float64]
    distance: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What is found of a generator; shares and variety in the order of the classes.

    Attributes:
        pictures: how many were judged.
        accuracy: how often the class asked for is named; None where none can be asked for.
        class_accuracy: the same of each class.
        inception_score, inception_score_error: of the classifier's probabilities; its standard error.
        shares: of the classes named.
        covered: classes with at least a tenth of an equal share.
        variety: mean distance of two pictures of a class, by that of real ones; 0 where a class has not two.
        collapsed: why this counts as a collapse; empty where it does not.
    """

    pictures: int
    accuracy: float | None
    class_accuracy: tuple[float, ...] = ()
    inception_score: float
    inception_score_error: float
    shares: tuple[float, ...]
    covered: int
    variety: tuple[float, ...]
    collapsed: str

    @property
    def mean_variety(self) -> float:
        """Mean over the classes."""
        return float(np.mean(self.variety))

    def to_json(self) -> dict[str, Any]:
        """Plain types, rounded for a line of text."""
        accuracy = {} if self.accuracy is None else {"accuracy": round(self.accuracy, 4)}
        if self.class_accuracy:
            accuracy["lowest_class_accuracy"] = round(min(self.class_accuracy), 4)
        return {
            "pictures": self.pictures,
            **accuracy,
            "inception_score": round(self.inception_score, 3),
            "inception_score_error": round(self.inception_score_error, 3),
            "covered": self.covered,
            "smallest_share": round(min(self.shares), 4),
            "variety": round(self.mean_variety, 3),
            "lowest_variety": round(min(self.variety), 3),
            "collapsed": self.collapsed,
        }


def judge_real(classifier: PictureClassifier, pictures: NDArray[np.float32], label: NDArray[np.int64]) -> Real:
    """The same figures of real pictures (picture, channel, height, width) of known classes (picture,)."""
    seen = classifier.judge(pictures)
    return Real(
        accuracy=float((seen.probabilities.argmax(1) == label).mean()),
        inception_score=inception_score(seen.probabilities),
        shares=class_shares(seen.probabilities.argmax(1), len(classifier.classes)),
        distance=within_classes(seen.embedding, label, len(classifier.classes)),
    )


def draw_classes(model: PictureGan, count: int) -> NDArray[np.int64]:
    """Classes to ask for, all equally often, in turn (count,); empty where none can be asked for."""
    return np.arange(count if model.conditional else 0, dtype=np.int64) % max(1, len(model.classes))


def judge_generator(model: PictureGan, classifier: PictureClassifier, real: Real, *, count: int, seed: int) -> Scores:
    """Draws `count` pictures and judges them."""
    asked = draw_classes(model, count)
    return scores_of(classifier.judge(model.pictures(model.latents(seed, count), asked)), asked, real)


def scores_of(seen: Judgement, asked: NDArray[np.int64], real: Real) -> Scores:
    """The scores of pictures that were seen so; `asked` (picture,) or empty."""
    count, classes = seen.probabilities.shape
    named = seen.probabilities.argmax(1)
    shares = class_shares(named, classes)
    distance = within_classes(seen.embedding, asked if len(asked) else named, classes)
    score, covered = inception_score(seen.probabilities), classes_covered(shares)
    right = named == asked if len(asked) else None
    return Scores(
        pictures=count,
        accuracy=None if right is None else float(right.mean()),
        class_accuracy=() if right is None else tuple(float(right[asked == k].mean()) for k in range(classes)),
        inception_score=score,
        inception_score_error=inception_score_error(seen.probabilities),
        shares=tuple(shares.tolist()),
        covered=covered,
        variety=tuple(np.nan_to_num(distance / real.distance).tolist()),
        collapsed=collapse(covered, classes, score, real.inception_score, float(np.nanmean(distance / real.distance))),
    )


def collapse(covered: int, classes: int, score: float, real_score: float, variety: float) -> str:
    """Why a generator counts as collapsed: too few classes, an inception score far below the real pictures', or
    pictures of a class that are all alike, which neither of the two sees."""
    if covered < FEWEST_CLASSES * classes:
        return f"{covered} of {classes} classes are covered"
    if score < LEAST_SCORE * real_score:
        return f"the inception score is {score:.2f}, of real pictures {real_score:.2f}"
    if variety < LEAST_VARIETY:
        return f"pictures of a class are {variety:.2f} as varied as real ones"
    return ""


def within_classes(embedding: NDArray[np.float32], label: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Mean distance of two pictures of each class (class,), of its first `PAIRED`; NaN where there are not two."""
    found = np.full(classes, np.nan)
    for each in range(classes):
        here = embedding[label == each][:PAIRED]
        if len(here) > 1:
            found[each] = mean_distance(here)
    return found
