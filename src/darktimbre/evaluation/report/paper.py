"""The numbers that the paper itself published, shown in grey beside one's own: another corpus, teacher and classifier.

Transcribed from J. Nistal, S. Lattner, G. Richard: *DarkGAN: Exploiting Knowledge Distillation for Comprehensible Audio
Synthesis with GANs*, ISMIR 2021, tables 1 and 2. Figures 2 and 3 are published as pictures only.
"""

from dataclasses import dataclass

ORIENTATION = "another corpus (NSynth), another teacher (Cnn14) and another classifier, for orientation only"

TEMPERATURES = (1.0, 1.5, 2.0, 3.0, 5.0)


@dataclass(frozen=True)
class Published:
    """A row of table 1; pairs are (attribute vectors of the train split, of the validation split), or one figure twice.

    Attributes:
        name: as in the paper.
        temperature: T, for a DarkGAN.
        pitch_inception, family_inception, fad: as printed.
        kid: as printed, in units of 10⁻⁴; None where it is not legible.
    """

    name: str
    temperature: float | None
    pitch_inception: tuple[float, float]
    family_inception: tuple[float, float]
    kid: tuple[float, float] | None
    fad: tuple[float, float]


# The row of GANSynth and that of the baseline run together in the text at hand and show one KID for both. It is the
# baseline's, which §5.1 calls "on a par with real data" (6.7).
TABLE_1 = (
    Published("real data", None, (17.7, 17.7), (5.7, 5.7), (6.7, 6.7), (0.1, 0.1)),
    Published("GANSynth", None, (19.6, 19.6), (4.0, 4.0), None, (4.5, 4.5)),
    Published("baseline", None, (18.5, 18.5), (4.3, 4.3), (6.7, 6.7), (0.8, 0.8)),
    Published("DarkGAN T = 1", 1.0, (18.4, 18.3), (4.0, 4.0), (6.8, 6.8), (0.7, 0.7)),
    Published("DarkGAN T = 1.5", 1.5, (19.0, 19.0), (4.5, 4.5), (6.7, 6.7), (0.7, 0.7)),
    Published("DarkGAN T = 2", 2.0, (19.1, 19.0), (4.2, 4.1), (6.7, 6.8), (0.6, 0.6)),
    Published("DarkGAN T = 3", 3.0, (19.1, 19.1), (4.2, 4.1), (6.8, 6.8), (0.8, 0.8)),
    Published("DarkGAN T = 5", 5.0, (19.2, 19.1), (4.0, 4.0), (6.8, 6.8), (0.8, 0.8)),
)

KID_UNREADABLE = "KID of the published GANSynth: not legible in the text that the numbers were transcribed from"

TABLE_2: dict[str, tuple[float, float, float, float, float]] = {
    "Acoustic guitar": (0.20, 0.36, 0.39, 0.23, 0.10),
    "Bass guitar": (0.30, 0.38, 0.46, 0.38, 0.19),
    "Brass Instrument": (0.28, 0.49, 0.38, 0.26, 0.00),
    "Cello": (0.24, 0.29, 0.26, 0.17, 0.00),
    "Chime": (0.15, 0.33, 0.39, 0.31, 0.03),
    "Guitar": (0.28, 0.37, 0.42, 0.34, 0.13),
    "Plucked string": (0.27, 0.37, 0.42, 0.32, 0.11),
    "Saxophone": (0.25, 0.41, 0.41, 0.41, 0.03),
    "Trombone": (0.18, 0.41, 0.29, 0.16, 0.00),
    "Trumpet": (0.16, 0.46, 0.36, 0.25, 0.00),
    "Didgeridoo": (0.06, 0.16, 0.21, 0.20, 0.08),
    "Drum": (0.05, 0.21, 0.24, 0.12, 0.01),
    "Electronic tuner": (0.35, 0.44, 0.50, 0.29, 0.13),
    "Percussion": (0.04, 0.19, 0.30, 0.14, 0.08),
    "Sine wave": (0.28, 0.32, 0.27, 0.17, 0.10),
    "Singing bowl": (0.08, 0.20, 0.24, 0.21, 0.03),
    "Siren": (0.13, 0.19, 0.24, 0.10, 0.08),
    "Tuning fork": (0.22, 0.29, 0.35, 0.29, 0.10),
    "Zither": (0.03, 0.18, 0.19, 0.07, -0.01),
    "Cat": (-0.01, -0.01, -0.01, -0.01, 0.00),
    "Chicken, rooster": (0.00, -0.06, -0.02, -0.01, -0.01),
    "Domestic animals, pets": (-0.01, -0.02, -0.02, 0.00, 0.00),
    "Frog": (0.00, 0.03, 0.07, 0.06, -0.03),
    "Insect": (0.00, -0.02, -0.02, -0.02, -0.01),
    "Speech": (-0.04, -0.10, -0.07, -0.05, 0.01),
}
"""Correlation of each attribute at `TEMPERATURES`."""

_SAME = {"plucked string instrument": "plucked string"}  # AudioSet's display name → the paper's

_BY_NAME = {name.casefold(): values for name, values in TABLE_2.items()}


def published_correlation(attribute: str) -> tuple[float, float, float, float, float] | None:
    """The published correlations of an attribute at `TEMPERATURES`; None where the paper's table does not show it."""
    plain = attribute.casefold()
    return _BY_NAME.get(_SAME.get(plain, plain))
