"""General MIDI as data: the name of each program, its group, and the NSynth family and source it comes closest to."""

from dataclasses import dataclass

DRUM_BANK = 128
"""Bank number under which SoundFonts keep their drum kits; there a key is an instrument, not a pitch."""

# group | source | program = family [source [group it is at heart]]; …, in the order of General MIDI Level 1, eight a
# group; "-" is no family.
_TABLE = """
piano | acoustic | Acoustic Grand Piano=keyboard; Bright Acoustic Piano=keyboard; Electric Grand Piano=keyboard \
electronic; Honky-tonk Piano=keyboard; Electric Piano 1=keyboard electronic; Electric Piano 2=keyboard electronic; \
Harpsichord=keyboard; Clavinet=keyboard electronic
chromatic percussion | acoustic | Celesta=mallet; Glockenspiel=mallet; Music Box=mallet; Vibraphone=mallet; \
Marimba=mallet; Xylophone=mallet; Tubular Bells=mallet; Dulcimer=mallet
organ | electronic | Drawbar Organ=organ; Percussive Organ=organ; Rock Organ=organ; Church Organ=organ acoustic; \
Reed Organ=organ acoustic; Accordion=organ acoustic; Harmonica=reed acoustic; Tango Accordion=organ acoustic
guitar | acoustic | Acoustic Guitar (nylon)=guitar; Acoustic Guitar (steel)=guitar; Electric Guitar (jazz)=guitar \
electronic; Electric Guitar (clean)=guitar electronic; Electric Guitar (muted)=guitar electronic; Overdriven \
Guitar=guitar electronic; Distortion Guitar=guitar electronic; Guitar Harmonics=guitar electronic
bass | electronic | Acoustic Bass=bass acoustic; Electric Bass (finger)=bass; Electric Bass (pick)=bass; Fretless \
Bass=bass; Slap Bass 1=bass; Slap Bass 2=bass; Synth Bass 1=bass synthetic; Synth Bass 2=bass synthetic
strings | acoustic | Violin=string; Viola=string; Cello=string; Contrabass=string; Tremolo Strings=string; Pizzicato \
Strings=string; Orchestral Harp=string; Timpani=- acoustic percussive
ensemble | acoustic | String Ensemble 1=string; String Ensemble 2=string; Synth Strings 1=string synthetic; Synth \
Strings 2=string synthetic; Choir Aahs=vocal; Voice Oohs=vocal; Synth Voice=vocal synthetic; \
Orchestra Hit=- acoustic percussive
brass | acoustic | Trumpet=brass; Trombone=brass; Tuba=brass; Muted Trumpet=brass; French Horn=brass; Brass \
Section=brass; Synth Brass 1=brass synthetic; Synth Brass 2=brass synthetic
reed | acoustic | Soprano Sax=reed; Alto Sax=reed; Tenor Sax=reed; Baritone Sax=reed; Oboe=reed; English Horn=reed; \
Bassoon=reed; Clarinet=reed
pipe | acoustic | Piccolo=flute; Flute=flute; Recorder=flute; Pan Flute=flute; Blown Bottle=flute; Shakuhachi=flute; \
Whistle=flute; Ocarina=flute
synth lead | synthetic | Lead 1 (square)=synth_lead; Lead 2 (sawtooth)=synth_lead; Lead 3 (calliope)=synth_lead; \
Lead 4 (chiff)=synth_lead; Lead 5 (charang)=synth_lead; Lead 6 (voice)=vocal; Lead 7 (fifths)=synth_lead; Lead 8 \
(bass + lead)=synth_lead
synth pad | synthetic | Pad 1 (new age)=keyboard; Pad 2 (warm)=string; Pad 3 (polysynth)=keyboard; Pad 4 \
(choir)=vocal; Pad 5 (bowed)=string; Pad 6 (metallic)=mallet; Pad 7 (halo)=vocal; Pad 8 (sweep)=string
synth effects | synthetic | FX 1 (rain)=-; FX 2 (soundtrack)=-; FX 3 (crystal)=mallet; FX 4 (atmosphere)=guitar; FX \
5 (brightness)=keyboard; FX 6 (goblins)=-; FX 7 (echoes)=-; FX 8 (sci-fi)=-
ethnic | acoustic | Sitar=guitar; Banjo=guitar; Shamisen=guitar; Koto=guitar; Kalimba=mallet; Bagpipe=reed; \
Fiddle=string; Shanai=reed
percussive | acoustic | Tinkle Bell=mallet; Agogo=mallet; Steel Drums=mallet; Woodblock=mallet; Taiko Drum=-; \
Melodic Tom=-; Synth Drum=- synthetic; Reverse Cymbal=-
sound effects | acoustic | Guitar Fret Noise=-; Breath Noise=-; Seashore=-; Bird Tweet=-; Telephone Ring=- \
electronic; Helicopter=-; Applause=-; Gunshot=-
"""

_DRUMS = """\
Acoustic Bass Drum; Bass Drum 1; Side Stick; Acoustic Snare; Hand Clap; Electric Snare; Low Floor Tom; Closed \
Hi-Hat; High Floor Tom; Pedal Hi-Hat; Low Tom; Open Hi-Hat; Low-Mid Tom; Hi-Mid Tom; Crash Cymbal 1; High Tom; Ride \
Cymbal 1; Chinese Cymbal; Ride Bell; Tambourine; Splash Cymbal; Cowbell; Crash Cymbal 2; Vibraslap; Ride Cymbal 2; \
Hi Bongo; Low Bongo; Mute Hi Conga; Open Hi Conga; Low Conga; High Timbale; Low Timbale; High Agogo; Low Agogo; \
Cabasa; Maracas; Short Whistle; Long Whistle; Short Guiro; Long Guiro; Claves; Hi Wood Block; Low Wood Block; Mute \
Cuica; Open Cuica; Mute Triangle; Open Triangle"""

# class | subclass: the drums that belong to it; …
_DRUM_TREE = """
drums | kick: Acoustic Bass Drum, Bass Drum 1, Concert Bass Drum; snare: Acoustic Snare, Electric Snare, Brush Tap, \
Brush Slap, Brush Swirl, Concert Snare; rimshot: Side Stick; tom: Low Floor Tom, High Floor Tom, Low Tom, Low-Mid \
Tom, Hi-Mid Tom, High Tom; timpani: Timpani
cymbals | hi-hat: Closed Hi-Hat, Pedal Hi-Hat, Open Hi-Hat; crash: Crash Cymbal 1, Crash Cymbal 2, Chinese Cymbal, \
Splash Cymbal, Concert Cymbal; ride: Ride Cymbal 1, Ride Cymbal 2, Ride Bell
percussion | clap: Hand Clap; cowbell: Cowbell, High Agogo, Low Agogo; triangle: Mute Triangle, Open Triangle; hand \
drum: Hi Bongo, Low Bongo, Mute Hi Conga, Open Hi Conga, Low Conga, High Timbale, Low Timbale; shaker: Cabasa, \
Maracas, Tambourine; wood: Claves, Hi Wood Block, Low Wood Block; scraper: Short Guiro, Long Guiro, Vibraslap; \
whistle: Short Whistle, Long Whistle; cuica: Mute Cuica, Open Cuica
"""


@dataclass(frozen=True, slots=True)
class Program:
    """One of General MIDI's 128 programs.

    Attributes:
        name: as the standard calls it.
        group: its group of eight ("reed", "pipe", …), but timpani and orchestra hit are "percussive".
        family: the nearest of `notes.note.FAMILIES`, or None where none comes near (gunshots, timpani).
        source: one of `notes.note.SOURCES`: how the instrument itself makes its sound.
    """

    name: str
    group: str
    family: str | None
    source: str


def _read() -> tuple[Program, ...]:
    programs = []
    for line in _TABLE.strip().splitlines():
        group, usual, entries = (part.strip() for part in line.split("|"))
        for entry in entries.split(";"):
            name, _, kind = entry.strip().rpartition("=")
            family, source, at_heart, *_ = [*kind.split(), "", ""]
            programs.append(Program(name, at_heart or group, None if family == "-" else family, source or usual))
    return tuple(programs)


PROGRAMS: tuple[Program, ...] = _read()
"""General MIDI's programs, by number from 0."""

DRUMS: dict[int, str] = {35 + place: name.strip() for place, name in enumerate(_DRUMS.split(";"))}
"""What General MIDI's drum kit plays on each key, 35 to 81."""

_BRUSH = {38: "Brush Tap", 39: "Brush Slap", 40: "Brush Swirl"}
_ORCHESTRA = {
    35: "Concert Bass Drum", 36: "Concert Bass Drum", 38: "Concert Snare", 40: "Concert Snare",
    **dict.fromkeys(range(41, 54), "Timpani"), 57: "Concert Cymbal", 59: "Concert Cymbal",
}  # fmt: skip
_OTHERWISE = {5: _BRUSH, 6: _ORCHESTRA}  # by eight programs, as General MIDI Level 2 lists its drum sets

DRUM_CLASSES: dict[str, tuple[str, str]] = {
    drum.strip(): (line.split("|")[0].strip(), group.split(":")[0].strip())
    for line in _DRUM_TREE.strip().splitlines()
    for group in line.split("|")[1].split(";")
    for drum in group.split(":")[1].split(",")
}
"""Class and subclass of each drum, by its name."""


def drum(program: int, key: int) -> str:
    """What a kit plays on a key, brush and orchestra kits some of their own; "key 30" where nothing is laid down."""
    return _OTHERWISE.get(program // 8, {}).get(key) or DRUMS.get(key, f"key {key}")
