"""Our own settlement CSV: what it says is read to the minor unit, and what it cannot mean is refused by name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.reconciliation.domain.lines import (
    ControlTotal,
    LineCategory,
    SettlementLine,
    UnreadableFileError,
)
from services.reconciliation.tests.reading import lines, only_quarantined, quarantined, records, totals
from services.reconciliation.tests.writers import csv_bytes, tieout_payout, tieout_row

pytestmark = pytest.mark.unit
SAMPLE = Path(__file__).parents[1] / "samples" / "tieout.csv"


def read(*rows, **options):
    return records("tieout_csv", csv_bytes(rows), **options)


def refused(content, **options):
    with pytest.raises(UnreadableFileError) as raised:
        records("tieout_csv", content, **options)
    return raised.value.code, raised.value.field


def test_a_row_is_read_to_the_minor_unit():
    (line,) = lines(read(tieout_row(1, trace_id="TR 77", charge_id="ch_1")))
    assert line == SettlementLine(
        line_number=2,
        line_id="txn_1",
        payout_id="po_1",
        category=LineCategory.CHARGE,
        type_text="charge",
        object_id="cap_1",
        parent_object_id="ch_1",
        our_reference="op_1",
        currency="EUR",
        gross_minor=10_000,
        fee_currency="EUR",
        fee_minor=170,
        net_currency="EUR",
        net_minor=9_830,
        exchange_rate=None,
        fee_in_net_currency_minor=None,
        occurred_at=datetime(2026, 11, 24, 10, tzinfo=UTC),
        available_on=datetime(2026, 11, 26, tzinfo=UTC),
        bank_reference="TR 77",
    )


@pytest.mark.parametrize(
    ("made_at", "told"),
    [
        ("2026-11-23 08:15:00", datetime(2026, 11, 23, 8, 15, tzinfo=UTC)),
        ("2026-11-23", datetime(2026, 11, 23, tzinfo=UTC)),
        # Without an offset it is UTC, which has every hour once, also on the days on which others change their clocks.
        ("2026-10-25 00:30:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-10-25T01:30:00Z", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("2026-03-29 02:30:00", datetime(2026, 3, 29, 2, 30, tzinfo=UTC)),
        # The hour that Berlin shows twice, and on both sides of the one that it leaves out.
        ("2026-10-25T02:30:00+02:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-10-25T02:30:00+01:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("2026-03-29T01:59:59+01:00", datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)),
        ("2026-03-29T03:00:00+02:00", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        ("", datetime(2026, 11, 24, 10, tzinfo=UTC)),
    ],
)
def test_a_row_happened_when_its_operation_was_made_where_it_says_so(made_at, told):
    (line,) = lines(read(tieout_row(1, made_at_utc=made_at), time_zone="Europe/Berlin"))
    assert (line.occurred_at, line.available_on) == (told, datetime(2026, 11, 26, tzinfo=UTC))


def test_a_row_says_when_it_was_created_also_beside_when_it_was_made():
    found = read(tieout_row(1, made_at_utc="2026-11-23", created_utc="yesterday"))
    assert only_quarantined(found) == (2, "time_malformed", "created_utc")


def test_a_row_of_no_payout_yet_waits():
    (line,) = lines(read(tieout_row(1, payout="")))
    assert line.payout_id is None


def test_an_unknown_category_is_other_and_keeps_its_word():
    (line,) = lines(read(tieout_row(1, category="loyalty_bonus")))
    assert (line.category, line.type_text) == (LineCategory.OTHER, "loyalty_bonus")


def test_three_currencies_in_one_row():
    exchanged = tieout_row(
        1, net="90.44", net_currency="USD", fee="1.70", fee_currency="GBP", fee_in_net_currency="2.00",
        exchange_rate="0.92437",
    )  # fmt: skip
    (line,) = lines(read(exchanged))
    assert (line.currency, line.gross_minor, line.fee_currency, line.fee_minor) == ("EUR", 10_000, "GBP", 170)
    assert (line.net_currency, line.net_minor, line.fee_in_net_currency_minor) == ("USD", 9_044, 200)
    assert line.exchange_rate == "0.92437"


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"net": "98.31"}, "sum_mismatch", "net"),
        ({"gross": "1,000.00"}, "amount_malformed", "gross"),
        ({"fee": "1.700"}, "excess_decimals", "fee"),
        ({"currency": "EUX"}, "currency_unknown", "currency"),
        ({"currency": "JPY"}, "excess_decimals", "gross"),
        ({"created_utc": "24.11.2026"}, "time_malformed", "created_utc"),
        ({"made_at_utc": "24.11.2026"}, "time_malformed", "made_at_utc"),
        ({"made_at_utc": "2026-10-25 25:00:00"}, "time_malformed", "made_at_utc"),
        ({"balance_transaction_id": ""}, "id_malformed", "balance_transaction_id"),
        ({"balance_transaction_id": "a b"}, "id_malformed", "balance_transaction_id"),
        ({"balance_transaction_id": "x" * 129}, "id_malformed", "balance_transaction_id"),
        ({"reporting_category": ""}, "text_length", "reporting_category"),
        ({"exchange_rate": "1.1"}, "rate_unneeded", "exchange_rate"),
        ({"fee_currency": "USD"}, "fee_unconverted", "fee_in_net_currency"),
        ({"fee_in_net_currency": "1.70"}, "fee_converted_twice", "fee_in_net_currency"),
        ({"net_currency": "USD", "exchange_rate": "1,1"}, "rate_malformed", "exchange_rate"),
        ({"description": "nul\x00"}, "nul_byte", "line"),
        ({"description": "bell\x07"}, "control_character", "line"),
        ({"description": "x" * 70_000}, "line_too_long", "line"),
    ],
)
def test_a_bad_row_is_quarantined_and_the_rest_goes_on(change, code, field):
    empty = dict.fromkeys(change, "")
    good = {name: value for name, value in empty.items() if name not in tieout_row(2)}
    found = records("tieout_csv", csv_bytes([{**tieout_row(1), **change}, {**tieout_row(2), **good}]))
    assert only_quarantined(found) == (2, code, field)
    assert [line.line_id for line in lines(found)] == ["txn_2"]


def test_what_stands_in_quarantine_can_be_kept_and_read():
    (line,) = quarantined(read(tieout_row(1, description="nul\x00" + "x" * 5_000)))
    assert "\x00" not in line.raw
    assert "nul\\x00" in line.raw
    assert len(line.raw) <= 4_096


def test_a_row_in_another_encoding_is_quarantined_alone():
    content = csv_bytes([tieout_row(1, description="Müller"), tieout_row(2)], encoding="cp1252")
    found = records("tieout_csv", content)
    assert only_quarantined(found) == (2, "wrong_encoding", "line")
    assert len(lines(found)) == 1
    assert len(lines(records("tieout_csv", content, encoding="cp1252"))) == 2


def test_one_id_twice_is_a_repetition():
    found = read(tieout_row(1), tieout_row(2), tieout_row(1))
    assert only_quarantined(found) == (4, "line_repeated", "line_id")
    assert len(lines(found)) == 2


def test_two_rows_that_are_equal_but_for_the_id_are_two_movements():
    assert len(lines(read(tieout_row(1, our_reference=""), tieout_row(2, our_reference="")))) == 2


def test_a_payout_sums_to_zero_over_its_rows():
    found = read(
        tieout_row(1),
        tieout_row(2, minor=-4_000, fee_minor=0, category="refund"),
        tieout_payout(3, "po_1", 5_830),
    )
    assert totals(found) == [ControlTotal("payout po_1 sums to zero", "po_1", "EUR", 5_830, 5_830)]


def test_a_payout_below_zero_is_stated_below_zero():
    found = read(
        tieout_row(1, minor=-4_000, fee_minor=0, category="refund"), tieout_payout(3, "po_1", -4_000)
    )
    assert [(total.stated_minor, total.counted_minor) for total in totals(found)] == [(-4_000, -4_000)]


def test_a_row_in_quarantine_shows_in_its_payouts_total():
    found = read(tieout_row(1), tieout_row(2, net="1.00"), tieout_payout(3, "po_1", 2 * 9_830))
    assert [(total.stated_minor, total.counted_minor) for total in totals(found)] == [(19_660, 9_830)]


def test_a_payout_in_two_currencies_is_summed_in_each():
    found = read(tieout_row(1), tieout_row(2, currency="USD"), tieout_payout(3, "po_1", 9_830))
    assert [(total.currency, total.stated_minor, total.counted_minor) for total in totals(found)] == [
        ("EUR", 9_830, 9_830),
        ("USD", 0, 9_830),
    ]


@pytest.mark.parametrize(
    ("content", "code", "field"),
    [
        (b"", "empty", "file"),
        (csv_bytes([tieout_row(1)])[:-1], "truncated", "line 2"),
        (csv_bytes([tieout_row(1)])[:40], "truncated", "line 1"),
        (csv_bytes([tieout_row(1)]).decode().encode("utf-16"), "wrong_encoding", "line 1"),
        (csv_bytes([tieout_row(1)], delimiter=";"), "wrong_separator", "header"),
        (csv_bytes([tieout_row(1, surprise="")]), "column_unknown", "surprise"),
        (
            csv_bytes([tieout_row(1)]).replace(b",our_reference,", b",source_id,", 1),
            "column_repeated",
            "source_id",
        ),
        (csv_bytes([{"gross": "1.00", "fee": "1.00"}]), "column_missing", "available_on_utc"),
        (b"\x00" + csv_bytes([tieout_row(1)]), "nul_byte", "header"),
        (b'"' + csv_bytes([tieout_row(1)]), "header_malformed", "header"),
    ],
)
def test_a_file_that_cannot_be_one_is_refused_by_name(content, code, field):
    assert refused(content) == (code, field)


def test_a_file_that_ends_within_a_figure_is_refused():
    rows = [
        {name: tieout_row(1)[name] for name in ("balance_transaction_id", "created_utc", "available_on_utc")}
    ]
    rows[0] |= {
        "reporting_category": "charge",
        "currency": "EUR",
        "net": "98.30",
        "fee": "0.00",
        "gross": "98.30",
    }
    # The last column cut to 98.3 would still be 98.30; that there is no line end is all that tells.
    assert refused(csv_bytes(rows)[:-2]) == ("truncated", "line 2")


@pytest.mark.parametrize("options", [{"delimiter": "#"}, {"encoding": "utf-16"}, {"decimal_separator": "x"}])
def test_an_option_that_cannot_hold_is_refused(options):
    assert refused(csv_bytes([tieout_row(1)]), **options)[0] == "option_unknown"


def test_what_the_source_declares_is_read():
    rows = [tieout_row(1, gross="1.234,50", fee="0,00", net="1.234,50", surprise="?")]
    content = csv_bytes(rows, delimiter=";", end="\r\n")[:-2]
    options = {
        "delimiter": ";", "decimal_separator": ",", "thousands_separator": ".", "extra_columns": "surprise",
        "last_line_end": "optional",
    }  # fmt: skip
    assert [line.gross_minor for line in lines(records("tieout_csv", content, **options))] == [123_450]


def test_a_byte_order_mark_at_the_start_is_passed_over_and_elsewhere_is_not():
    content = b"\xef\xbb\xbf" + csv_bytes([tieout_row(1)])
    assert len(lines(records("tieout_csv", content))) == 1
    glued = csv_bytes([tieout_row(1)]) + content.replace(b"txn_1", b"txn_2")
    found = records("tieout_csv", glued)
    assert quarantined(found)[0].code == "control_character"
    assert [line.line_id for line in lines(found)] == ["txn_1", "txn_2"]


def test_a_quoted_field_may_go_over_lines():
    found = read(tieout_row(1, description='two\nlines, "said" so'), tieout_row(2))
    assert [(line.line_id, line.line_number) for line in lines(found)] == [("txn_1", 2), ("txn_2", 4)]


def test_a_lost_quote_costs_its_own_row_and_no_other():
    rows = [tieout_row(number, description="a, b") for number in range(1, 100)]
    content = csv_bytes(rows)
    at = content.index(b'"', content.index(b"txn_50,"))
    found = records("tieout_csv", content[:at] + content[at + 1 :])
    assert only_quarantined(found) == (51, "quote_open", "line")
    assert len(lines(found)) == 98


def test_the_sample_reads_to_the_figures_that_stand_in_it():
    found = records("tieout_csv", SAMPLE.read_bytes())
    assert quarantined(found) == []
    assert [
        (line.line_id, line.category, line.currency, line.gross_minor, line.fee_minor, line.net_minor)
        for line in lines(found)
    ] == [
        ("txn_1", "charge", "EUR", 10_000, 170, 9_830),
        ("txn_2", "refund", "EUR", -4_000, 0, -4_000),
        ("txn_3", "payout", "EUR", -5_830, 0, -5_830),
        ("txn_4", "charge", "JPY", 12_000, 432, 11_568),
        ("txn_5", "payout", "JPY", -11_568, 0, -11_568),
        ("txn_6", "charge", "KWD", 12_345, 371, 11_974),
        ("txn_7", "dispute", "KWD", -12_345, 5_000, -17_345),
        ("txn_8", "payout", "KWD", 5_371, 0, 5_371),
        ("txn_9", "charge", "EUR", 10_000, 170, 9_044),
        ("txn_10", "reserve", "EUR", -500, 0, -500),
    ]
    assert all(total.stated_minor == total.counted_minor for total in totals(found))
    assert [total.subject for total in totals(found)] == ["po_1", "po_2", "po_3"]
