"""For any events: streams are locked in one order, and versions count up within each stream."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.errors import InvariantViolation
from shared.persistence.arrays import optional_text_array, text_array
from shared.persistence.outbox import Appended, Outbox

texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=6)
streams = st.tuples(st.sampled_from(["a.events", "b.events"]), st.sampled_from(["k", "l", "m"]))


def statement(appended):
    box = Outbox(None, source="/s", now=datetime(2026, 1, 1, tzinfo=UTC), ids=None)
    rows = [
        Appended(topic, key, f"evt_{nth}", "T.v1", "/s", key, "c", None, b"{}", bytes(32))
        for nth, (topic, key) in enumerate(appended)
    ]
    seen = {}

    def remember(streams, common, events):
        seen.update(streams=streams, events=events)
        return "", ()

    return box, rows, remember, seen


@given(st.lists(streams, min_size=1, max_size=12))
def test_streams_are_sorted_and_versions_count_up_to_their_totals(appended):
    from shared.persistence import outbox

    box, rows, remember, seen = statement(appended)
    original, outbox.flush_statement = outbox.flush_statement, remember
    try:
        box._statement(rows)
    finally:
        outbox.flush_statement = original
    names = [(topic, key) for topic, key, _ in seen["streams"]]
    assert names == sorted(set(appended))
    totals = {(topic, key): total for topic, key, total in seen["streams"]}
    for stream, total in totals.items():
        versions = [total - row[3] for row in seen["events"] if (row[1], row[2]) == stream]
        assert versions == list(range(1, total + 1))


@given(st.lists(texts, min_size=1, max_size=8))
def test_a_text_array_reads_back_as_what_was_written(values):
    assert parse(text_array(values)) == values


@given(st.lists(st.none() | texts | st.just("NULL"), max_size=8))
def test_what_is_not_said_reads_back_as_null(values):
    assert parse(optional_text_array(values)) == values


def test_a_text_of_an_array_holds_no_nul():
    for values in (["a\x00b"], ["a\x00b", None]):
        with pytest.raises(InvariantViolation, match="text_without_nul"):
            optional_text_array(values)


def parse(literal):
    """PostgreSQL's reading of an array whose texts are all quoted."""
    values, current, escaped, quoted = [], [], False, False
    for character in literal[1:-1]:
        if escaped:
            current.append(character)
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
            if not quoted:
                values.append("".join(current))
                current = []
        elif quoted:
            current.append(character)
        elif character == "N":
            values.append(None)
    return values
