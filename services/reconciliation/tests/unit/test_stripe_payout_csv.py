"""Stripe's payout reconciliation report: columns by name, major units, the report's own time zone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.reconciliation.domain.lines import LineCategory, UnreadableFileError
from services.reconciliation.tests.reading import lines, only_quarantined, quarantined, records, totals
from services.reconciliation.tests.writers import csv_bytes, stripe_payout, stripe_row

pytestmark = pytest.mark.unit
SAMPLE = Path(__file__).parents[1] / "samples" / "stripe_payout_reconciliation.csv"
LEAST = (
    "balance_transaction_id",
    "created_utc",
    "available_on_utc",
    "currency",
    "gross",
    "fee",
    "net",
    "reporting_category",
)


def read(*rows, **options):
    return records("stripe_payout_csv", csv_bytes(rows), **options)


def refused(*rows, **options):
    with pytest.raises(UnreadableFileError) as raised:
        read(*rows, **options)
    return raised.value.code, raised.value.field


def test_the_sample_reads_to_the_figures_that_stand_in_it():
    found = records("stripe_payout_csv", SAMPLE.read_bytes(), time_zone="Europe/Berlin")
    assert quarantined(found) == []
    assert [
        (line.line_id[-2:], line.category, line.currency, line.gross_minor, line.fee_minor, line.net_currency, line.net_minor)
        for line in lines(found)
    ] == [
        ("A1", "charge", "EUR", 10_000, 175, "EUR", 9_825),
        ("A2", "charge", "USD", 5_000, 117, "EUR", 4_504),
        ("A3", "refund", "EUR", -2_500, 0, "EUR", -2_500),
        ("A4", "dispute", "EUR", -10_000, 2_000, "EUR", -12_000),
        ("A5", "other", "EUR", 0, 60, "EUR", -60),
        ("A6", "other", "EUR", 1_000, 0, "EUR", 1_000),
        ("A7", "payout", "EUR", -769, 0, "EUR", -769),
        ("B1", "charge", "JPY", 12_000, 432, "JPY", 11_568),
        ("B2", "payout", "JPY", -11_568, 0, "JPY", -11_568),
        ("C1", "charge", "KWD", 12_340, 430, "KWD", 11_910),
    ]  # fmt: skip
    assert [(total.subject, total.stated_minor, total.counted_minor) for total in totals(found)] == [
        ("po_1SampleA", 769, 769),
        ("po_1SampleB", 11_568, 11_568),
    ]


def test_the_sample_names_its_objects_and_its_times():
    first, second, third, *_ = lines(
        records("stripe_payout_csv", SAMPLE.read_bytes(), time_zone="Europe/Berlin")
    )
    assert (first.object_id, first.parent_object_id, first.our_reference) == (
        "ch_1SampleA1",
        "ch_1SampleA1",
        "op_1001",
    )
    assert (third.object_id, third.parent_object_id) == ("re_1SampleA3", "ch_1SampleA1")
    assert (first.payout_id, first.bank_reference) == ("po_1SampleA", "0100SAMPLE77")
    # Clocks in Berlin went back at three on the 25th: one second before two, and three after it.
    assert second.occurred_at == datetime(2026, 10, 24, 23, 59, 59, tzinfo=UTC)
    assert third.occurred_at == datetime(2026, 10, 25, 2, tzinfo=UTC)
    assert third.available_on == datetime(2026, 10, 26, 23, tzinfo=UTC)


def test_a_time_that_the_clocks_showed_twice_is_quarantined():
    row = stripe_row(1)
    row = {name.removesuffix("_utc"): value for name, value in row.items()} | {
        "created": "2026-10-25 02:30:00"
    }
    found = read(row, time_zone="Europe/Berlin")
    assert only_quarantined(found) == (2, "time_ambiguous", "created")


def test_local_times_of_a_source_without_a_zone_are_refused():
    row = {name.removesuffix("_utc"): value for name, value in stripe_row(1).items()}
    assert refused(row) == ("time_zone_missing", "created")
    assert refused(row, time_zone="Europe/Atlantis") == ("time_zone_missing", "created")


def test_the_column_in_utc_goes_before_the_local_one():
    (line,) = lines(read(stripe_row(1, created="2026-10-25 02:30:00")))
    assert line.occurred_at == datetime(2026, 11, 24, 10, tzinfo=UTC)


def test_the_few_columns_that_are_needed_are_enough():
    (line,) = lines(read({name: stripe_row(1)[name] for name in LEAST}))
    assert (line.payout_id, line.object_id, line.our_reference, line.net_minor) == (None, None, None, 9_830)


@pytest.mark.parametrize("name", LEAST)
def test_without_one_of_them_the_file_is_refused(name):
    row = stripe_row(1)
    del row[name]
    assert refused(row) == ("column_missing", name)


@pytest.mark.parametrize(
    ("word", "category"),
    [
        ("charge", "charge"),
        ("refund", "refund"),
        ("refund_failure", "refund_failure"),
        ("dispute", "dispute"),
        ("dispute_reversal", "dispute"),
        ("charge_failure", "reversal"),
        ("risk_reserved_funds", "reserve"),
        ("payout", "payout"),
        ("partial_capture_reversal", "other"),
        ("payout_reversal", "other"),
        ("network_cost", "other"),
        ("topup", "other"),
        ("something_of_2030", "other"),
    ],
)
def test_every_category_has_its_place_and_keeps_its_word(word, category):
    (line,) = lines(read(stripe_row(1, category=word)))
    assert (line.category, line.type_text) == (LineCategory(category), word)


@pytest.mark.parametrize("facing", ["50.00", "-50.00"])
def test_a_refund_in_the_customers_currency_goes_the_way_of_gross(facing):
    row = stripe_row(
        1,
        minor=-4_621,
        fee_minor=0,
        category="refund",
        customer_facing_amount=facing,
        customer_facing_currency="usd",
    )
    (line,) = lines(read(row))
    assert (line.currency, line.gross_minor, line.net_currency, line.net_minor) == (
        "USD",
        -5_000,
        "EUR",
        -4_621,
    )


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"net": "98.31"}, "sum_mismatch", "net"),
        ({"net": "98.31", "customer_facing_currency": "usd", "customer_facing_amount": "110.00"}, "sum_mismatch", "net"),
        ({"customer_facing_currency": "usd", "customer_facing_amount": "-110.00"}, "direction_contradicted", "customer_facing_amount"),
        ({"customer_facing_currency": "usd", "customer_facing_amount": ""}, "amount_malformed", "customer_facing_amount"),
        ({"customer_facing_currency": "us", "customer_facing_amount": "1.00"}, "currency_unknown", "customer_facing_currency"),
        ({"currency": "jpy"}, "excess_decimals", "gross"),
        ({"automatic_payout_id": "po 1"}, "id_malformed", "automatic_payout_id"),
    ],
)  # fmt: skip
def test_a_row_that_contradicts_itself_is_quarantined(change, code, field):
    found = read(
        {**stripe_row(1), **change},
        {**stripe_row(2), **{name: "" for name in change if name not in stripe_row(2)}},
    )
    assert only_quarantined(found) == (2, code, field)
    assert len(lines(found)) == 1


def test_a_decimal_comma_is_read_where_it_was_declared():
    found = read(stripe_row(1, gross="100,00", fee="1,70", net="98,30"), decimal_separator=",")
    assert [line.net_minor for line in lines(found)] == [9_830]


def test_our_id_stands_in_the_column_that_was_declared():
    found = read(
        stripe_row(1, **{"payment_metadata[order]": "op_77"}), our_reference_column="payment_metadata[order]"
    )
    assert [line.our_reference for line in lines(found)] == ["op_77"]
    assert refused(stripe_row(1), our_reference_column="payment_metadata[order]")[0] == "column_missing"


def test_a_column_that_no_such_report_has_is_refused():
    assert refused(stripe_row(1, balance="1.00")) == ("column_unknown", "balance")
    assert len(lines(read(stripe_row(1, balance="1.00"), extra_columns="balance"))) == 1


def test_a_row_that_is_missing_from_a_payout_shows_in_its_total():
    found = read(stripe_row(1), stripe_payout(2, "po_1", 9_900))
    assert [(total.stated_minor, total.counted_minor) for total in totals(found)] == [(9_900, 9_830)]
