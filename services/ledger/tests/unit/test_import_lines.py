"""Whatever a line says, it is refused by a known code, or makes a journal that balances and that the contract can tell."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalogue import encode
from services.ledger.adapters.import_files import decoded
from services.ledger.adapters.publishing import TOPIC, journal_posted
from services.ledger.domain.imports import LineRefused, cause_id_of, check_line, journal_from
from services.ledger.domain.journal import check_entries
from services.ledger.tests.import_lines import BAD, changed, entry, line

PAGE = Path(__file__).parents[4] / "docs" / "importing.md"
JOURNAL_ID, IMPORT_ID = "jrn_00000000000000000000000001", "imp_00000000000000000000000001"
CODES = set(re.findall(r"`([a-z_]+)`", PAGE.read_text().partition("## Codes")[2]))
WAYS = (
    "version", "source", "id", "effective_at", "entries", "entries.0", "entries.1.family", "entries.1.owner",
    "entries.0.currency", "entries.0.scale", "entries.0.side", "entries.0.amount_minor", "entries.0.clearing_key",
)  # fmt: skip
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, 1, 2**53 - 1, 2**53, 2**63, 10**30]),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(["EUR", "JPY", "debit", "suspense", "platform", "mer_" + "0" * 26]),
    st.sampled_from(
        [
            "2025-02-30T00:00:00Z",
            "2025-03-01T00:00:00+02:00",
            "2025-03-01T00:00:00.123456789Z",
            "1970-01-01T00:00:00+01:00",
        ]
    ),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def journal_of(raw):
    """The journal of a line, or its refusal."""
    said = decoded(raw)
    if isinstance(said, LineRefused):
        raise said
    check_line(said)
    return journal_from(said, cause_id_of(said), IMPORT_ID, JOURNAL_ID)


def made_or_refused(raw):
    made, refused = None, None
    try:
        made = journal_of(raw)
    except LineRefused as why:
        refused = why
    if refused is not None:
        assert refused.code in CODES
        assert len(refused.detail) <= 400
        return
    check_entries(made.entries)
    encode(TOPIC, journal_posted(made))


@settings(max_examples=400, deadline=None)
@given(ways=st.lists(st.tuples(st.sampled_from(WAYS), VALUES), max_size=3))
def test_any_change_of_a_line_is_refused_or_makes_a_journal(ways):
    said = line()
    for way, value in ways:
        try:
            said = changed(way, value)(said)
        except (KeyError, IndexError, TypeError, AttributeError):
            continue  # the field is not there any more
    made_or_refused(json.dumps(said).encode())


@settings(max_examples=400, deadline=None)
@given(at=st.integers(0, 300), put=st.binary(max_size=3), drop=st.integers(0, 3))
def test_any_damage_of_a_line_is_refused_or_makes_a_journal(at, put, drop):
    raw = json.dumps(line()).encode()
    made_or_refused(raw[:at] + put + raw[at + drop :])


def test_the_page_names_every_code_that_a_line_can_be_refused_with():
    assert set(BAD) <= CODES


def test_debits_that_sum_to_more_than_a_contract_can_tell_are_refused():
    most = 2**53 - 1
    said = line(entries=[
        entry("bank_cash", "debit", most, owner="a"), entry("bank_cash", "debit", most, owner="b"),
        entry("fx", "credit", most), entry("fx", "credit", most),
    ])  # fmt: skip
    with pytest.raises(LineRefused) as refused:
        journal_of(json.dumps(said).encode())
    assert (refused.value.code, refused.value.field) == ("amount_too_large", "entries")
