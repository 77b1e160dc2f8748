"""The rate of an exchange stands beside its journal, the digits exactly as they were given, in whatever month it lands."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

from services.ledger.tests import report
from services.ledger.tests.db.closing import close

DOLLARS = {"currency": "USD", "net_currency": "EUR", "fee_currency": "EUR"}
JULY = datetime(2024, 7, 15, tzinfo=UTC)


def rates(ledger):
    return ledger.rows(
        "SELECT j.fact_key, r.rate, r.from_currency, r.to_currency FROM exchange_rates r"
        " JOIN journals j ON j.position = r.journal_position ORDER BY j.position"
    )


def test_it_is_kept_as_given_and_shown_with_its_journal(ledger):
    ledger.tell(
        report.accepted("1", "charge", 10_000, net_minor=9_150, exchange_rate="0.9150", **DOLLARS),
        report.accepted("2", "charge", 10_000, 200),
        report.accepted("3", "charge", 10_000, net_minor=9_100, exchange_rate=None, **DOLLARS),
    )
    ((key, *rate),) = rates(ledger)
    assert (key.split(":")[-2:], rate) == (["1", "1"], ["0.9150", "USD", "EUR"])
    ((journal_id,),) = ledger.rows(f"SELECT journal_id FROM journals WHERE fact_key = '{key}'")
    shown = ledger.reader.journal(journal_id, None).exchange_rate
    assert (shown.rate, shown.from_currency, shown.to_currency) == ("0.9150", "USD", "EUR")


def test_each_revision_has_its_own_and_a_reversal_none(ledger):
    ledger.tell(report.accepted("1", "charge", 10_000, net_minor=9_150, exchange_rate="0.915", **DOLLARS))
    again = {"net_minor": 9_151, "exchange_rate": "0.9151", **DOLLARS}
    ledger.tell(report.amended("1", "charge", 10_000, revision=2, amends=1, **again))
    assert [rate for _, rate, *_ in rates(ledger)] == ["0.915", "0.9151"]
    ledger.tell(report.amended("1", "charge", 10_000, revision=2, amends=1, **again))
    assert len(rates(ledger)) == 2


def test_of_a_late_line_as_well(ledger):
    ledger.tell(report.accepted("0", "charge", 100, effective_at=JULY), time=JULY)
    close(ledger, "2024-07")
    late = {"net_minor": 9_150, "exchange_rate": "0.9150", "effective_at": JULY, **DOLLARS}
    ledger.tell(report.accepted("1", "charge", 10_000, **late), time=JULY)
    assert [rate for _, rate, *_ in rates(ledger)] == ["0.9150"]
    assert ledger.rows(
        "SELECT count(*) FROM late_journals l JOIN exchange_rates USING (journal_position)"
    ) == [(1,)]


@pytest.mark.parametrize("position", [1, 99])
def test_no_journal_is_given_one_afterwards(ledger, app_sql, position):
    ledger.tell(report.accepted("1", "charge", 10_000, 200))
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation) as refused:
        app_sql.execute("INSERT INTO exchange_rates VALUES (%s, '1.5', 'EUR', 'USD')", (position,))
    assert refused.value.diag.constraint_name == "exchange_rates_fit"
