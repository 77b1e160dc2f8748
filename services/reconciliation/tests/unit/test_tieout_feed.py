"""Pieces of a feed: a line says what a row of our own CSV says, or goes to quarantine by itself, with the reason."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from services.reconciliation.adapters.readers.tieout_feed import piece_of
from services.reconciliation.domain.feeds import PIECE_BYTES_MAX, PIECE_LINES_MAX
from services.reconciliation.domain.lines import UnreadableFileError
from services.reconciliation.tests.reading import lines, quarantined, records, totals
from services.reconciliation.tests.writers import csv_bytes, tieout_payout, tieout_row

pytestmark = pytest.mark.unit
GOOD = tieout_row(1)


def piece(*said, sequence=1):
    return json.dumps({"sequence": sequence, "lines": said}).encode()


def read(*said):
    return records("tieout_feed", piece(*said))


def without(name):
    return {key: value for key, value in GOOD.items() if key != name}


def test_a_line_says_what_the_same_row_of_a_file_says():
    rows = [
        tieout_row(1),
        tieout_row(2, currency="KWD", minor=1_234, fee_minor=0),
        tieout_payout(3, "po_1", 9_830),
    ]
    fed, filed = lines(read(*rows)), lines(records("tieout_csv", csv_bytes(rows)))
    assert [line.line_number for line in fed] == [1, 2, 3]
    assert [replace(line, line_number=0) for line in fed] == [replace(line, line_number=0) for line in filed]


def test_columns_that_may_lack_may_be_left_out_or_null():
    short = {name: value or None for name, value in without("description").items()}
    assert lines(read(short)) == lines(read(GOOD))


def test_a_piece_states_no_totals_as_the_rest_of_a_payout_may_be_in_another():
    assert totals(read(tieout_payout(3, "po_1", 9_830))) == []


@pytest.mark.parametrize(
    ("line", "code", "field"),
    [
        (without("net"), "column_missing", "net"),
        ({**GOOD, "colour": "red"}, "column_unknown", "colour"),
        ({**GOOD, "gross": 100}, "value_not_text", "gross"),
        ({**GOOD, "gross": 1e400}, "value_not_text", "gross"),
        ({**GOOD, "gross": {"minor": "1"}}, "value_not_text", "gross"),
        ({**GOOD, "gross": "12.345"}, "excess_decimals", "gross"),
        ({**GOOD, "net": "1.00"}, "sum_mismatch", "net"),
        ({**GOOD, "currency": "XXQ"}, "currency_unknown", "currency"),
        ({**GOOD, "our_reference": "a\x00b"}, "nul_byte", "our_reference"),
        ({**GOOD, "our_reference": "a\ud800b"}, "control_character", "our_reference"),
        ({**GOOD, "our_reference": "x" * 70_000}, "line_too_long", "line"),
        ("a text", "line_malformed", "line"),
        ([["gross", "1"]], "line_malformed", "line"),
        (None, "line_malformed", "line"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_read_goes_to_quarantine_and_the_rest_goes_on(line, code, field):
    found = read(tieout_row(7), line, tieout_row(8))
    assert [each.line_id for each in lines(found)] == ["txn_7", "txn_8"]
    (refused,) = quarantined(found)
    assert (refused.line_number, refused.code, refused.field) == (2, code, field)
    refused.raw.encode()
    assert "\x00" not in refused.raw


def test_a_name_that_stands_twice_is_not_read_by_anybodys_taste():
    twice = piece(GOOD).replace(b'"gross":', b'"gross": "1.00", "gross":')
    (refused,) = quarantined(records("tieout_feed", twice))
    assert (refused.code, refused.field) == ("column_repeated", "gross")


def test_an_id_stands_once_in_a_piece():
    (refused,) = quarantined(read(GOOD, GOOD))
    assert (refused.line_number, refused.code) == (2, "line_repeated")


@pytest.mark.parametrize(
    ("raw", "code", "field"),
    [
        (b"", "piece_malformed", "piece"),
        (b"[]", "piece_malformed", "piece"),
        (b'{"sequence": 1}', "piece_malformed", "piece"),
        (b'{"sequence": 1, "lines": [{}], "more": 1}', "piece_malformed", "piece"),
        (b'{"sequence": 1, "sequence": 2, "lines": [{}]}', "piece_malformed", "piece"),
        (b'{"sequence": 0, "lines": [{}]}', "piece_malformed", "sequence"),
        (b'{"sequence": true, "lines": [{}]}', "piece_malformed", "sequence"),
        (b'{"sequence": "1", "lines": [{}]}', "piece_malformed", "sequence"),
        (b'{"sequence": ' + b"9" * 5_000 + b', "lines": [{}]}', "piece_malformed", "sequence"),
        (b'{"sequence": 1, "lines": []}', "piece_malformed", "lines"),
        (b'{"sequence": 1, "lines": {}}', "piece_malformed", "lines"),
        (b'{"sequence": 1, "lines": [' + b"[" * 500_000, "piece_malformed", "piece"),
        (b'{"sequence": 1, "lines": ["\xff"]}', "wrong_encoding", "piece"),
        (piece(*[1] * (PIECE_LINES_MAX + 1)), "piece_malformed", "lines"),
        (piece("x" * PIECE_BYTES_MAX), "piece_malformed", "piece"),
    ],
)
def test_what_is_no_piece_is_refused_whole(raw, code, field):
    with pytest.raises(UnreadableFileError) as refused:
        piece_of(raw)
    assert (refused.value.code, refused.value.field) == (code, field)
