"""Random valid files say what was written; random damage is seen, or leaves every figure as it was."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.reconciliation.adapters.readers import FORMATS
from services.reconciliation.domain.lines import SettlementLine, UnreadableFileError
from services.reconciliation.tests.generated_files import FILES
from services.reconciliation.tests.reading import lines, quarantined, records, totals

pytestmark = pytest.mark.property
SLOW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

WITHOUT_AN_END = {"tieout_csv", "stripe_payout_csv", "adyen_settlement_csv", "mt940"}
"""Cut between two rows or statements, nothing in such a file tells it from a shorter one.

What is missing is missed elsewhere: the payout has no row and stays open, the next statement does not follow on.
"""


def figures(line):
    if isinstance(line, SettlementLine):
        return (
            line.currency, line.gross_minor, line.fee_currency, line.fee_minor, line.net_currency, line.net_minor
        )  # fmt: skip
    return (line.currency, line.amount_minor)


def signs(found):
    """What tells a person that the file is not as it was written."""
    return quarantined(found) or [each for each in totals(found) if each.stated_minor != each.counted_minor]


def test_every_format_is_tried():
    assert FILES.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", sorted(FILES))
@SLOW
@given(data=st.data())
def test_a_valid_file_says_what_was_written(name, data):
    made = data.draw(FILES[name])
    found = records(name, made.content)
    assert signs(found) == []
    assert [figures(line) for line in lines(found)] == made.figures
    ids = [line.line_id for line in lines(found)]
    assert len(set(ids)) == len(ids)
    assert all(
        0 < len(each) <= 128 and each.isascii() and each.isprintable() and " " not in each for each in ids
    )


@pytest.mark.parametrize("name", sorted(FILES))
@SLOW
@given(data=st.data())
def test_damage_is_seen_or_changes_no_figure(name, data):
    made = data.draw(FILES[name])
    damaged = data.draw(damages(made.content))
    try:
        found = records(name, damaged)
    except UnreadableFileError:
        return
    if signs(found):
        return
    read, written = Counter(figures(line) for line in lines(found)), Counter(made.figures)
    if name in WITHOUT_AN_END and made.content.startswith(damaged):
        assert not read - written
    else:
        assert read == written


@pytest.mark.parametrize("name", sorted(FILES))
@SLOW
@given(content=st.binary(max_size=2_000))
def test_bytes_that_are_no_report_are_refused_or_say_nothing(name, content):
    try:
        found = records(name, content)
    except UnreadableFileError:
        return
    assert lines(found) == []


@st.composite
def damages(draw, content):
    """One byte replaced, lost or added, or everything from there on cut off."""
    at = draw(st.integers(0, len(content) - 1))
    byte = bytes([draw(st.one_of(st.sampled_from(b'0123456789.,-+"; \n\r\x00:/CD<'), st.integers(0, 255)))])
    kind = draw(st.sampled_from(["replace", "replace", "lose", "add", "cut"]))
    return {
        "replace": content[:at] + byte + content[at + 1 :],
        "lose": content[:at] + content[at + 1 :],
        "add": content[:at] + byte + content[at:],
        "cut": content[:at],
    }[kind]
