"""Adyen's settlement details report: the direction from the column, costs once, times by their zone's name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.reconciliation.domain.lines import LineCategory, UnreadableFileError
from services.reconciliation.tests.reading import lines, only_quarantined, quarantined, records, totals
from services.reconciliation.tests.writers import adyen_payout, adyen_row, csv_bytes

pytestmark = pytest.mark.unit
SAMPLE = Path(__file__).parents[1] / "samples" / "adyen_settlement_details.csv"


def read(*rows, **options):
    return records("adyen_settlement_csv", csv_bytes(rows), **options)


def sample():
    return records("adyen_settlement_csv", SAMPLE.read_bytes())


def test_the_sample_reads_to_the_figures_that_stand_in_it():
    found = sample()
    assert quarantined(found) == []
    assert [
        (line.category, line.type_text, line.currency, line.gross_minor, line.fee_minor, line.net_currency, line.net_minor)
        for line in lines(found)
    ] == [
        ("charge", "Settled", "EUR", 10_000, 170, "EUR", 9_830),
        ("charge", "Settled", "USD", 5_000, 117, "EUR", 4_504),
        ("refund", "Refunded", "EUR", -2_500, 10, "EUR", -2_510),
        ("dispute", "Chargeback", "EUR", -2_000, 1_500, "EUR", -3_500),
        ("dispute", "ChargebackReversed", "EUR", 2_000, 0, "EUR", 2_000),
        ("other", "Fee", "EUR", -200, 0, "EUR", -200),
        ("reserve", "DepositCorrection", "EUR", -500, 0, "EUR", -500),
        ("payout", "MerchantPayout", "EUR", -9_624, 0, "EUR", -9_624),
        ("charge", "Settled", "JPY", 12_000, 432, "JPY", 11_568),
        ("payout", "MerchantPayout", "JPY", -11_568, 0, "JPY", -11_568),
    ]  # fmt: skip
    assert [(total.name, total.stated_minor, total.counted_minor) for total in totals(found)] == [
        ("batch 118 sums to zero", 9_624, 9_624),
        ("batch 119 sums to zero", 11_568, 11_568),
    ]


def test_the_sample_names_its_objects():
    first, second, third, *_, payout, _, _ = lines(sample())
    assert (first.object_id, first.parent_object_id, first.our_reference) == (
        "8816000000000011",
        "8816000000000001",
        "op_1",
    )
    assert first.line_id == "118/Settled/8816000000000001/8816000000000011/2026-10-26T22:05:00+00:00"
    assert (second.exchange_rate, third.exchange_rate) == ("0.9242", None)
    assert (payout.object_id, payout.payout_id) == (None, "118")
    assert payout.bank_reference == "TX1000000001XT batch 118, SampleCo"


def test_the_hour_that_clocks_repeat_is_told_apart_by_the_zones_name():
    first, second, *_ = lines(sample())
    assert first.occurred_at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert second.occurred_at == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("time", "name", "declared", "utc"),
    [
        ("2026-07-01 12:00:00", "CEST", None, "2026-07-01 10:00:00"),
        ("2026-07-01 12:00:00", "UTC", None, "2026-07-01 12:00:00"),
        ("2026-07-01 12:00:00", "America/Sao_Paulo", None, "2026-07-01 15:00:00"),
        ("2026-07-01 12:00:00", "BST", "Europe/London", "2026-07-01 11:00:00"),
        ("2026-01-01 12:00:00", "AEST", "Australia/Brisbane", "2026-01-01 02:00:00"),
        ("2026-01-01 12:00:00", "CET", "Europe/London", "2026-01-01 11:00:00"),
    ],
)
def test_zones_are_read_by_their_names(time, name, declared, utc):
    (line,) = lines(read(adyen_row(1, **{"Creation Date": time, "TimeZone": name}), time_zone=declared))
    assert line.occurred_at == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("time", "name", "declared", "code"),
    [
        ("2026-07-01 12:00:00", "CET", None, "time_zone_contradicted"),
        ("2026-01-01 12:00:00", "CEST", None, "time_zone_contradicted"),
        ("2026-07-01 12:00:00", "BST", None, "time_zone_unknown"),
        ("2026-01-01 12:00:00", "BST", "Europe/London", "time_zone_unknown"),
        ("2026-07-01 12:00:00", "IST", "Europe/London", "time_zone_unknown"),
        ("2026-07-01 12:00:00", "Europe/Atlantis", None, "time_zone_unknown"),
        ("2026-07-01 12:00:00", "", None, "time_zone_unknown"),
        ("2026-03-29 02:30:00", "CET", None, "time_nonexistent"),
        ("2026-10-25 02:30:00", "Europe/Paris", None, "time_ambiguous"),
    ],
)
def test_a_zone_that_could_be_another_is_refused(time, name, declared, code):
    found = read(adyen_row(1, **{"Creation Date": time, "TimeZone": name}), time_zone=declared)
    assert only_quarantined(found) == (2, code, "Creation Date")


def test_the_direction_comes_from_the_column_and_never_from_the_type():
    (line,) = lines(read(adyen_row(1, minor=-10_000, kind="Settled")))
    assert (line.category, line.gross_minor, line.net_minor) == (LineCategory.CHARGE, -10_000, -10_170)


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"Gross Debit (GC)": "1.00"}, "direction_contradicted", "Gross Debit (GC)"),
        ({"Net Debit (NC)": "1.00"}, "direction_contradicted", "Net Debit (NC)"),
        ({"Gross Credit (GC)": "-100.00"}, "amount_malformed", "Gross Credit (GC)"),
        ({"Net Credit (NC)": ""}, "amount_missing", "Net Credit (NC)"),
        ({"Net Credit (NC)": "98.31"}, "sum_mismatch", "net"),
        ({"Scheme Fees (NC)": "0.01"}, "sum_mismatch", "net"),
        ({"Commission (NC)": "1.7000"}, "excess_decimals", "Commission (NC)"),
        ({"Exchange Rate": "1.1"}, "rate_unneeded", "Exchange Rate"),
        ({"Gross Currency": "USD", "Exchange Rate": "x"}, "rate_malformed", "Exchange Rate"),
        ({"Merchant Account": "OtherShop"}, "other_account", "Merchant Account"),
        ({"Type": ""}, "text_length", "Type"),
        ({"Psp Reference": "88 16"}, "id_malformed", "Psp Reference"),
        ({"Booking Date": "25.11.2026"}, "time_malformed", "Booking Date"),
    ],
)
def test_a_row_that_contradicts_itself_is_quarantined(change, code, field):
    found = read(adyen_row(1), {**adyen_row(2), **change}, adyen_row(3))
    assert only_quarantined(found) == (3, code, field)
    assert len(lines(found)) == 2


def test_the_total_of_the_costs_is_not_added_to_them():
    both, alone = adyen_row(1, **{"Payment Fees (NC)": "1.70"}), adyen_row(2, **{"Payment Fees (NC)": "1.70"})
    alone["Commission (NC)"] = ""
    assert [line.fee_minor for line in lines(read(both, alone))] == [170, 170]


def test_a_type_without_a_place_is_other_and_keeps_its_word():
    (line,) = lines(read(adyen_row(1, kind="EpaPaid")))
    assert (line.category, line.type_text) == (LineCategory.OTHER, "EpaPaid")


def test_two_rows_that_are_equal_in_everything_are_two_lines():
    first, second = lines(read(adyen_row(1), adyen_row(1)))
    assert second.line_id == f"{first.line_id}#2"


def test_ids_stay_when_a_later_file_adds_and_corrects_rows():
    before = lines(read(adyen_row(1), adyen_row(1), adyen_row(2)))
    after = lines(read(adyen_row(5), adyen_row(2), adyen_row(1, minor=20_000), adyen_row(1)))
    assert {line.line_id for line in before} < {line.line_id for line in after}


def test_rows_of_the_declared_account_are_read_and_no_others():
    rows = [adyen_row(1), adyen_row(2, **{"Merchant Account": "OtherShop"})]
    found = read(*rows, merchant_account="OtherShop")
    assert [line.object_id[-1] for line in lines(found)] == ["2"]
    assert only_quarantined(found)[1] == "other_account"


def test_a_batch_below_zero_is_paid_by_us():
    found = read(adyen_row(1, minor=-4_000, fee_minor=0, kind="Refunded"), adyen_payout(2, "118", -4_000))
    assert [(total.stated_minor, total.counted_minor) for total in totals(found)] == [(-4_000, -4_000)]
    assert lines(found)[1].net_minor == 4_000


def test_an_aggregate_report_is_refused_by_the_column_it_lacks():
    row = adyen_row(1)
    del row["Psp Reference"]
    with pytest.raises(UnreadableFileError, match="column_missing: Psp Reference"):
        read(row)


NAMELESS = {
    "Psp Reference": "",
    "Modification Reference": "",
    "Merchant Reference": "",
    "kind": "Fee",
    "fee_minor": 0,
}


def test_rows_without_references_are_told_apart_by_what_they_say_also_in_two_files():
    one, two = adyen_row(1, minor=-200, **NAMELESS), adyen_row(2, minor=-300, **NAMELESS)
    whole = [line.line_id for line in lines(read(one, two))]
    cut = [line.line_id for row in (one, two) for line in lines(read(row))]
    assert whole == cut
    assert len(set(whole)) == len({line.line_id for line in lines(read(one, one, two))}) - 1 == 2
