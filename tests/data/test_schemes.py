"""Tag schemes of entities: detection, conversion to BIO2, and invalid tags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.tasks.data.formats import schemes

EXAMPLE = ["B-X", "I-X", "I-X", "B-X", "O", "B-Y"]
ENCODED = {
    "IOB1": ["I-X", "I-X", "I-X", "B-X", "O", "I-Y"],
    "BIO2": EXAMPLE,
    "IOBES": ["B-X", "I-X", "E-X", "S-X", "O", "S-Y"],
    "BILOU": ["B-X", "I-X", "L-X", "U-X", "O", "U-Y"],
    "BMES": ["B-X", "M-X", "E-X", "S-X", "O", "S-Y"],
}


@pytest.mark.parametrize("scheme", ENCODED)
def test_schemes_are_detected_and_converted(scheme: str) -> None:
    assert schemes.detect([["O"], ENCODED[scheme]]) == scheme
    assert schemes.to_bio2(ENCODED[scheme], scheme) == EXAMPLE


def test_io_merges_adjacent_entities_of_one_type() -> None:
    tags = ["I-X", "I-X", "I-Y", "O", "I-X"]
    assert schemes.detect([tags]) == "IO"
    assert schemes.to_bio2(tags, "IO") == ["B-X", "I-X", "B-Y", "O", "B-X"]


def encode(spans: list[tuple[str, int, int]], scheme: str) -> list[str]:
    """Return the tags of ``(type, length, number of O after it)`` in a scheme."""
    tags: list[str] = []
    for kind, length, gap in spans:
        adjacent = bool(tags) and tags[-1] != "O" and tags[-1][2:] == kind
        inside = [f"I-{kind}"] * length
        if scheme == "BIO2" or scheme == "IOB1" and adjacent:
            inside[0] = f"B-{kind}"
        elif scheme in ("IOBES", "BILOU", "BMES"):
            end, single = ("L", "U") if scheme == "BILOU" else ("E", "S")
            if scheme == "BMES":
                inside = [f"M-{kind}"] * length
            inside[0], inside[-1] = f"B-{kind}", f"{end}-{kind}"
            inside = [f"{single}-{kind}"] if length == 1 else inside
        tags += inside + ["O"] * gap
    return tags


SPANS = st.lists(
    st.tuples(st.sampled_from(["PER", "B-S"]), st.integers(1, 4), st.integers(0, 2))
)


@pytest.mark.parametrize("scheme", ENCODED)
@given(column=st.lists(SPANS))
def test_conversion_keeps_every_entity(
    scheme: str, column: list[list[tuple[str, int, int]]]
) -> None:
    encoded = [encode(spans, scheme) for spans in column]
    detected = schemes.detect(encoded)
    for spans, tags in zip(column, encoded, strict=True):
        assert not schemes.violations(tags, scheme)
        bio2 = schemes.to_bio2(tags, detected)
        assert bio2 == schemes.to_bio2(tags, scheme) == encode(spans, "BIO2")
        lengths = [(kind, stop - start) for kind, start, stop in schemes.entities(bio2)]
        assert lengths == [(kind, length) for kind, length, _ in spans]


@pytest.mark.parametrize(
    ("scheme", "tags", "position"),
    [
        ("BIO2", ["O", "I-X"], 1),
        ("BIO2", ["B-X", "I-Y"], 1),
        ("BIO2", ["S-X"], 0),
        ("IOB1", ["O", "B-X"], 1),
        ("IO", ["B-X"], 0),
        ("IOBES", ["B-X", "O"], 1),
        ("IOBES", ["O", "B-X"], 1),
        ("IOBES", ["U-X"], 0),
        ("BILOU", ["S-X"], 0),
        ("BILOU", ["B-X", "L-Y"], 1),
        ("IOBES", ["B-X"], 0),
        ("BMES", ["B-X", "I-X", "E-X"], 1),
    ],
)
def test_the_position_of_a_tag_that_breaks_the_scheme(
    scheme: str, tags: list[str], position: int
) -> None:
    assert schemes.violations(tags, scheme)[0] == position


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O I-X I-X", "O B-X I-X"),
        ("B-X I-Y I-X", "B-X B-Y B-X"),
        ("E-X E-X O L-X", "B-X B-X O B-X"),
        ("B-X O S-X I-X", "B-X O B-X B-X"),
        ("B-X B-X E-X M-X", "B-X B-X I-X B-X"),
    ],
)
@pytest.mark.parametrize("scheme", ["BIO2", "IOBES", "BILOU"])
def test_broken_tags_are_read_as_conlleval_reads_them(
    tags: str, expected: str, scheme: str
) -> None:
    assert schemes.to_bio2(tags.split(), scheme) == expected.split()


@pytest.mark.parametrize(
    ("tag", "hint"),
    [
        ("NOUN", "like B-PER, got"),
        ("B_PER", "a hyphen after the prefix"),
        ("PER-B", "the prefix before the type"),
    ],
)
def test_the_position_of_an_invalid_tag(tag: str, hint: str) -> None:
    with pytest.raises(schemes.TagError, match=hint) as error:
        schemes.to_bio2(["O", tag], "BIO2")
    assert error.value.position == 1


def test_entities_are_spans() -> None:
    with pytest.raises(schemes.TagError, match="a tag that BIO2 allows here"):
        schemes.entities(["O", "I-X"])
    assert schemes.entities(EXAMPLE) == [("X", 0, 3), ("X", 3, 4), ("Y", 5, 6)]
