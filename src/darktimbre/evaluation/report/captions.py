"""What each table and figure of the report means, in a line for a newcomer, with the equation and its source."""

from darktimbre.evaluation.results import Kind

KINDS: dict[Kind, str] = {
    "real": "real notes",
    "untrained": "the network before training",
    "baseline": "trained without attributes",
    "gansynth": "GANSynth",
    "darkgan": "steered by attributes",
}

SYSTEMS = "T is the temperature of the soft labels that an instrument learnt from."

_TABLE_1 = (
    "Table 1: how real the sounds are. PIS and IIS ask whether each sound is clearly of one pitch or instrument family "
    "and all of them occur; KID and FAD how far the crowd of sounds lies from the reference, real notes of the train "
    "split. ↑ higher is better, ↓ lower is better. "
    "PIS, IIS = exp Eₓ KL(p(y|x) ‖ p(y)) over pitches or families (Salimans et al. 2016); "
    "KID = squared maximum mean discrepancy with the kernel (x·y/d + 1)³, unbiased, so that it may fall below 0 "
    "(Bińkowski et al. 2018); FAD = ‖μ − μ′‖² + tr(Σ + Σ′ − 2(ΣΣ′)^½) (Kilgour et al. 2019); all as in DarkGAN §4.4.1."
)

HELD_OUT_BAR = (
    "Distances compare instruments on train conditions only. The reference is of train instruments: on held-out "
    "conditions, following well moves an instrument away from it. There the row “held-out notes” is the bar, for a "
    "perfect instrument gets what held-out real notes get, and nearer than that is no better."
)

_FURTHER = (
    "Beyond the paper: KID as the literature tells it, FAD without the bias of few notes, and what a single distance "
    "mixes up. KID over subsets is their mean ± their standard deviation, which is no error of the mean. FAD∞ "
    "extrapolates both sides together, sounds and reference, to infinitely many notes (Chong and Forsyth 2020, who "
    "extrapolate the sounds alone); it is left out below about three notes a dimension. Precision and density say how "
    "many sounds lie among real notes (fidelity), recall and coverage how much of the real notes is reached "
    "(diversity), by nearest neighbours (Kynkäänniemi et al. 2019; Naeem et al. 2020)."
)


def table_1(kid_space: str, embedder: str) -> str:
    """Of table 1."""
    return f"{_TABLE_1} {_spaces(kid_space, embedder)}{HELD_OUT_BAR}"


def further(embedder: str) -> str:
    """Of the table beyond the paper."""
    return f"{_FURTHER} All but KID in the embedding of {embedder}." if embedder else _FURTHER


def _spaces(kid_space: str, embedder: str) -> str:
    if not kid_space or not embedder:
        return ""
    if kid_space == embedder:
        return f"Distances are taken in the embedding of {embedder}. "
    return f"KID is taken in the embedding of the {kid_space}, FAD in that of {embedder}. "


PITCH = (
    "Share of sounds heard at the pitch that was asked for: by the classifier's most probable pitch, and by an "
    "independent estimator of the fundamental (YIN, de Cheveigné and Kawahara 2002) within 50 cents."
)

CONTROL = (
    "How well attributes are followed, in one number: the mean over attributes of the correlation ρ of what was asked "
    "for with what the teacher hears (1: exactly in proportion, 0: not at all). Soft labels are compared at the "
    "instrument's own temperature T, so that those of different T do not compare; the correlation of logits does not "
    "depend on T. An instrument without attributes shows what pitch alone explains. DarkGAN §4.4.2, test 1."
)

THROUGH_THE_PICTURE = "the notes themselves after a round trip through the picture: a perfect network would reach it."

ANOTHER_TAKE = "held-out notes: the attributes of another note of the same instrument, instead of an answer."

TABLE_2 = (
    "Table 2: control attribute by attribute, ranked by the mean over the instruments steered by attributes; the best, "
    "some from the middle and the worst. ρⁱ = ρ(Fⁱ(G(z, p, α)), αⁱ), F the teacher, G the instrument, with attribute "
    "vectors α of real notes (DarkGAN §4.4.2, test 1)."
)

ALL_ATTRIBUTES = "Table 2 for every attribute, with the correlation of logits."

FIGURE_1 = (
    "Table 1 as a picture: a dot for each set of sounds and its 95 % interval; open for conditions of the train split, "
    "filled for held-out ones. Real notes mark what can be reached: “real notes” by open dots, “held-out notes” by "
    "filled ones, which are not meant to come nearer. ◂ and ▸ point to what is off the scale."
)

_FIGURE_2 = (
    "Does control survive conditions that no real note has? One attribute at a time is raised by δ, the "
    "correlation of asked and heard is taken again; flat is good. ρ̄(δ) = mean over S of ρ(Fⁱ(G(z, p, α + δ)), α + δ), "
    "S the attributes of positive correlation, δ = 10^(−3 + 3.6 l/50) (DarkGAN §4.4.2, test 2). S is chosen on train "
    "conditions and told of on held-out ones, so that chance does not lift the curve."
)
_FIGURE_3 = (
    "Does more asked for give more heard? The mean rise of what the teacher hears when an attribute is "
    "raised by δ, in standard deviations of the sounds that were not raised; rising is good, zero is no effect. "
    "ΔF̄(δ) = mean of (Fⁱ(G(z, p, α + δ)) − Fⁱ(G(z, p, α))) / std Fⁱ(G(z, p, α)), δ = k/5 (DarkGAN §4.4.2, test 3)."
)
_OUTSIDE = (
    "Right of δ = 1 every condition lies outside the range of the attributes. Bands: 95 % intervals. Soft labels are "
    "of each instrument's own T, so that curves of different T are read each for itself."
)


def figure_2(attributes: int | None) -> str:
    """Of figure 2, where at most so many attributes of S are raised; None for all."""
    part = "" if attributes is None else f" Here only {attributes:,} of S are raised, drawn at random."
    return f"{_FIGURE_2}{part} {_OUTSIDE}"


def figure_3(attributes: int | None) -> str:
    """Of figure 3, with the so many attributes that follow best."""
    best = f"the {attributes:,} attributes" if attributes else "the attributes"
    chosen = f"Raised are {best} of the highest correlation, chosen on train conditions and told of on held-out ones."
    return f"{_FIGURE_3} {chosen} {_OUTSIDE}"


def attributes(logits: bool) -> str:
    """Of the figure of attributes."""
    which = "of logits, for soft labels of different T do not compare, " if logits else ""
    return (
        f"Table 2 as a picture: correlation of asked and heard, {which}for each attribute with its 95 % interval; "
        "right of zero the attribute is followed, and a bar across zero means that this is not sure."
    )


def trade(logits: bool, one_vocabulary: bool) -> str:
    """Of control against fidelity."""
    which = "Mean correlation of logits" if logits else "Mean attribute correlation"
    apart = "" if one_vocabulary else " The means are over different attributes, so that heights do not compare."
    return (
        f"Does control cost fidelity? {which} (higher is better) against the distance to real notes "
        f"(further left is better), with 95 % intervals; the best place is above on the left.{apart} Distances are of "
        "train conditions, where the reference is the aim; control is of held-out ones. The dotted line is real notes."
    )


SHARES = "The shares of the table below as bars: the more of a bar is attributes, the more they decide the timbre."

VARIATION = (
    "What moves the sound at equal pitch: shares of the variance in the embedding that follow the attributes, the "
    "random vector z, or only their combination (two-way analysis of variance; the shares add up to 1). Much for "
    "attributes means that they and not chance decide the timbre. Diversity is the mean distance of two sounds that "
    "differ in z alone, beside that of two real notes of one pitch."
)

TIMING = (
    "Computing time for one note, medians, note by note. The real time factor is seconds of computing for a second of "
    "sound: below 1 it can be played live. Network is the generator, inversion the way from its picture to a wave."
)

MARKS = (
    "Brackets are 95 % confidence intervals; after ± stands a standard error, read as an interval of ± 1.96 of it. "
    "Notes of one instrument count together in all of them, since they are not independent. ★ marks the best generated "
    "sounds of a column where their interval is clear of every other's; where it is not, ≈ marks the leader and all "
    "whose intervals overlap its own. This is stricter than a test of the difference; nothing is corrected for many "
    "comparisons, and where the notes are of few instruments the intervals are rough themselves. Held-out distances "
    "get no mark, for nearer is not better there, and neither does KID over subsets."
)

ONE_RUN = (
    "Each instrument is one training run: the intervals say how sure a figure is of this very instrument, not what "
    "another run of the same recipe would give."
)
