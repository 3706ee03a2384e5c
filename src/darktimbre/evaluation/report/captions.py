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

TABLE_1 = (
    "Table 1: how real the sounds are. PIS and IIS ask whether each sound is clearly of one pitch or instrument family "
    "and all of them occur; KID and FAD how far the crowd of sounds lies from the crowd of real notes. ↑ higher is "
    "better, ↓ lower is better. "
    "PIS, IIS = exp Eₓ KL(p(y|x) ‖ p(y)) over pitches or families (Salimans et al. 2016); "
    "KID = squared maximum mean discrepancy with the kernel (x·y/d + 1)³, unbiased (Bińkowski et al. 2018); "
    "FAD = ‖μ − μ′‖² + tr(Σ + Σ′ − 2(ΣΣ′)^½) (Kilgour et al. 2019); all as in DarkGAN §4.4.1."
)

FURTHER = (
    "Beyond the paper: FAD without the bias of few notes, and what a single distance mixes up. FAD∞ extrapolates to "
    "infinitely many notes (Chong and Forsyth 2020); precision and density say how many sounds lie among real notes "
    "(fidelity), recall and coverage how much of the real notes is reached (diversity), by nearest neighbours "
    "(Kynkäänniemi et al. 2019; Naeem et al. 2020)."
)

PITCH = (
    "Share of sounds heard at the pitch that was asked for: by the classifier's most probable pitch, and by an "
    "independent estimator of the fundamental (YIN, de Cheveigné and Kawahara 2002) within 50 cents."
)

CONTROL = (
    "How well attributes are followed, in one number: the mean over attributes of the correlation ρ of what was asked "
    "for with what the teacher hears (1: exactly in proportion, 0: not at all). Soft labels are compared at the "
    "instrument's own temperature; the correlation of logits does not depend on it, so it is the one to compare "
    "instruments of different T by. DarkGAN §4.4.2, test 1."
)

TABLE_2 = (
    "Table 2: control attribute by attribute, ranked by the mean over the instruments steered by attributes; the best, "
    "some from the middle and the worst. ρⁱ = ρ(Fⁱ(G(z, p, α)), αⁱ), F the teacher, G the instrument, with attribute "
    "vectors α of real notes (DarkGAN §4.4.2, test 1)."
)

ALL_ATTRIBUTES = "Table 2 for every attribute, with the correlation of logits."

FIGURE_1 = (
    "Table 1 as a picture: a dot for each set of sounds and its 95 % interval; filled for held-out conditions, open "
    "for conditions of the train split. Real notes mark what can be reached; ◂ and ▸ point to what is off the scale."
)

FIGURE_2 = (
    "Does control survive conditions that no real note has? One attribute at a time is raised by δ, the "
    "correlation of asked and heard is taken again; flat is good. ρ̄(δ) = mean over S of ρ(Fⁱ(G(z, p, α + δ)), α + δ), "
    "S the attributes of positive correlation, δ = 10^(−3 + 3.6 l/50) (DarkGAN §4.4.2, test 2). Right of δ = 1 every "
    "condition lies outside the range of the attributes. Bands: 95 % intervals."
)

FIGURE_3 = (
    "Does more asked for give more heard? The mean rise of what the teacher hears when an attribute is "
    "raised by δ, in standard deviations of the sounds that were not raised; rising is good, zero is no effect. "
    "ΔF̄(δ) = mean of (Fⁱ(G(z, p, α + δ)) − Fⁱ(G(z, p, α))) / std Fⁱ(G(z, p, α)), δ = k/5 (DarkGAN §4.4.2, test 3). "
    "Bands: 95 % intervals."
)

ATTRIBUTES = (
    "Table 2 as a picture: correlation of asked and heard for each attribute with its 95 % interval; right of zero the "
    "attribute is followed, and a bar across zero means that this is not sure."
)

TRADE = (
    "Does control cost fidelity? Mean attribute correlation (higher is better) against the distance to real notes "
    "(further left is better), with 95 % intervals; the best place is above on the left."
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
    "Brackets are 95 % confidence intervals; after ± stands a standard deviation over subsets (KID) or splits (PIS, "
    "IIS) or a standard error (the others), read as an interval of ± 1.96 of it. ★ marks the best generated sounds of a "
    "column where their interval is clear of every other's; where it is not, ≈ marks the leader and all whose "
    "intervals overlap its own. This is stricter than a test of the difference, and nothing is corrected for the many "
    "comparisons."
)

ONE_RUN = (
    "Each instrument is one training run: the intervals say how sure a figure is of this very instrument, not what "
    "another run of the same recipe would give."
)
