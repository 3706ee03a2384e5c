"""Whose labels an instrument was trained on, and whether others can be compared with them."""

import pytest

from darktimbre.notes.attributes import CLASSES, Attributes, Teacher, teacher_mismatch

YAMNET, OTHER = Teacher("yamnet", "687f226c147a2caab4"), Teacher("yamnet", "123456789abcdef")
EXPECTS = "The instrument was trained on labels by"


@pytest.mark.parametrize(
    "attributes",
    [Attributes(pitches=(60,)), Attributes(names=("drums", "drums/kick"), teacher=CLASSES, teacher_digest="ab")],
    ids=["none", "classes"],
)
def test_without_a_teacher_any_labels_will_do(attributes: Attributes) -> None:
    assert attributes.labelled_by is None
    assert teacher_mismatch(EXPECTS, attributes.labelled_by, "the teacher given is", None) is None


def test_equal_weights_are_the_same_teacher_whatever_their_name() -> None:
    attributes = Attributes(names=("Gong",), teacher=YAMNET.name, teacher_digest=YAMNET.digest)
    assert attributes.labelled_by == YAMNET
    assert teacher_mismatch(EXPECTS, attributes.labelled_by, "the teacher given is", YAMNET._replace(name="a")) is None


def test_other_weights_and_none_are_named_in_the_sentence() -> None:
    assert teacher_mismatch(EXPECTS, YAMNET, "the tags of notes are by", OTHER) == (
        "The instrument was trained on labels by yamnet (weights 687f226c147a…), the tags of notes are by yamnet "
        "(weights 123456789abc…): their labels cannot be compared"
    )
    assert "the teacher given is none:" in str(teacher_mismatch(EXPECTS, YAMNET, "the teacher given is", None))
