"""An evaluation → a few plain sentences, computed from the numbers: what leads, and above all what does not."""

from darktimbre.evaluation.report import captions
from darktimbre.evaluation.report.reading_control import control
from darktimbre.evaluation.report.reading_fidelity import fidelity, pitch
from darktimbre.evaluation.report.reading_further import increments, out_of_distribution, timing, variation
from darktimbre.evaluation.results import Evaluation


def reading(evaluation: Evaluation) -> tuple[str, ...]:
    """The sentences at the top of the report, in a fixed order; what was not measured is not spoken of."""
    said = [
        *control(evaluation),
        *fidelity(evaluation),
        *pitch(evaluation),
        *out_of_distribution(evaluation),
        *increments(evaluation),
        *variation(evaluation),
        *timing(evaluation),
    ]
    return tuple(one for one in said if one)


def keep_in_mind(evaluation: Evaluation) -> tuple[str, ...]:
    """What those sentences do not say of themselves."""
    one_run = (captions.ONE_RUN,) if any(one.kind not in ("real", "untrained") for one in evaluation.systems) else ()
    return (*evaluation.cautions, *one_run)
