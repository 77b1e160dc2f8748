"""Whatever arrives, the reader answers with a value or with a refusal; equal wishes have equal fingerprints."""

import json

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.errors import Rejected
from shared.persistence.idempotency import Principal, canonical_json, fingerprint_of
from shared.runtime.card_numbers import has_card_number
from shared.runtime.strict_json import INTEGER_MAX, read_object

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20).filter(
    lambda text: not has_card_number(text)
)
LEAVES = st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | TEXT
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
DOCUMENTS = st.dictionaries(TEXT, VALUES, max_size=5)


def answer(raw):
    """The status that the bytes would get; any other error fails the test."""
    try:
        return 200 if isinstance(read_object(raw), dict) else 500
    except Rejected as refused:
        return refused.status


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_a_refusal(raw):
    assert answer(raw) in {200, 400, 422}


@given(
    st.lists(
        st.sampled_from(
            ["{", "}", "[", "]", '"', "a", ":", ",", "1", "-", ".", "e9", "\\", "\\u00", "NaN", " "]
        )
    )
)
def test_any_sequence_of_tokens_is_an_object_or_a_refusal(tokens):
    assert answer("".join(tokens).encode()) in {200, 400, 422}


@given(DOCUMENTS, st.booleans())
def test_honest_documents_come_through_unchanged(document, ascii_only):
    assert read_object(json.dumps(document, ensure_ascii=ascii_only).encode()) == document


FIELDS = st.dictionaries(st.sampled_from("abcdef"), LEAVES, max_size=4)


@given(FIELDS, FIELDS, st.permutations(list("abcdef")))
def test_fingerprints_are_equal_exactly_for_equal_wishes(one, two, order):
    shuffled = {name: one[name] for name in order if name in one}
    first = fingerprint_of("POST", "/things", {}, one)
    assert first == fingerprint_of("POST", "/things", {}, shuffled)
    second = fingerprint_of("POST", "/things", {}, two)
    # True equals 1 in Python, never in JSON.
    same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assert (first.digest == second.digest) == same
    if not same:
        named = first.first_difference(second.endpoint, second.fields)
        assert json.dumps(one.get(named)) != json.dumps(two.get(named)) or (named in one) != (named in two)


@given(TEXT, TEXT, TEXT, TEXT)
def test_scopes_cannot_be_shaped_to_meet(owner_one, key_one, owner_two, key_two):
    one = Principal(owner_id=owner_one, mode="test").scope(key_one)
    two = Principal(owner_id=owner_two, mode="test").scope(key_two)
    assert (one == two) == ((owner_one, key_one) == (owner_two, key_two))


@given(
    st.text(st.characters(exclude_categories=("Cs",)))
    | st.booleans()
    | st.none()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([{}, [], 0, 0.0, -0.0, 2**53 - 1, 1 - 2**53])
)
def test_the_short_way_writes_plain_values_as_rfc_8785_does(value):
    assert canonical_json(value) == rfc8785.dumps(value)
