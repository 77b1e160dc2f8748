"""Each part of a payout is held to what its report says: exchanges, their fees, and lines that nobody could read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.reconciliation.adapters.explained_days import explained_days
from services.reconciliation.adapters.explaining import explained_payouts
from services.reconciliation.app.run_matching import RunKind
from services.reconciliation.tests.agreed import agree_before
from services.reconciliation.tests.reports import ALPHA, declare, payout, report, take_in
from services.reconciliation.tests.three_legs import World
from services.reconciliation.tests.writers import csv_bytes, stripe_payout, stripe_row

pytestmark = pytest.mark.db
AT = datetime(2026, 11, 24, 10, tzinfo=UTC)
AS_OF = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture
def world(desk):
    made = World(desk)
    declare(desk)
    return made


def exchange(net, *, rate="0.92", fee="1.70", fee_currency="EUR", taken=""):
    """Of 100.00 USD, which are 92.00 EUR."""
    return {
        "currency": "USD", "fee": fee, "fee_currency": fee_currency, "net_currency": "EUR", "net": net,
        "exchange_rate": rate, "fee_in_net_currency": taken,
    }  # fmt: skip


def plain(**more):
    return {
        "net_currency": "EUR",
        "fee_currency": "EUR",
        "exchange_rate": "",
        "fee_in_net_currency": "",
        **more,
    }


def explained(world):
    first, last = AT.date(), datetime(2026, 12, 20, tzinfo=UTC).date()
    (row,) = world.desk.run(
        lambda uow: explained_payouts(uow.connection, first, last, payout_id=None, limit=10)
    )
    (day,) = world.desk.run(lambda uow: explained_days(uow.connection, first, last))
    assert day["unexplained_minor"] == abs(row["unexplained_minor"])
    assert day["explained"] == row["explained"]
    return row


def agree(world, currency, *, per_million, fixed):
    with world.desk.engine.begin() as connection:
        agree_before(
            connection, "agreed_fee", source="alpha", category="charge", currency=currency, per_million=per_million,
            fixed_minor=fixed,
        )  # fmt: skip


def test_what_was_exchanged_is_what_the_rate_makes_of_it_and_its_fee_a_fee(world):
    world.captured(1, 10_000, currency="USD", account="acct_1", at=AT)
    take_in(world.desk, report(payout("po_11111", (1, exchange("90.30")))))
    row = explained(world)
    assert (row["exchanged_minor"], row["fees_minor"], row["net_minor"]) == (9_200, 170, 9_030)
    assert (row["unexplained_minor"], row["charges_minor"]) == (0, 0)


def test_a_net_that_its_rate_does_not_make_is_left_until_a_break_names_it(world):
    world.captured(1, 10_000, currency="USD", account="acct_1", at=AT)
    take_in(world.desk, report(payout("po_11111", (1, exchange("88.30")))))
    row = explained(world)
    assert (row["exchanged_minor"], row["fees_minor"], row["net_minor"]) == (9_200, 170, 8_830)
    assert row["unexplained_minor"] == -200
    with_bank(world, 8_830)
    assert not explained(world)["explained"]
    world.match(RunKind.FULL, as_of=AS_OF)
    assert world.breaks() == {"residue:alpha:txn_1": ("amount_mismatch", 200)}
    assert explained(world)["explained"]


def with_bank(world, minor):
    """What the bank credited of the payout, so that nothing else is left."""
    world.bank_line("b1", minor, "po_11111")
    world.match(as_of=AS_OF)
    with world.desk.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE breaks SET state = 'SELF_CLOSED' WHERE state = 'OPEN'")


@pytest.mark.parametrize(
    ("priced_in", "line", "at_risk"),
    [
        pytest.param("EUR", exchange("90.30"), 0, id="as agreed of what settled"),
        pytest.param("EUR", exchange("90.20", fee="1.80"), 10, id="more than agreed of what settled"),
        pytest.param("EUR", exchange("92.00", fee="0.00"), 170, id="nothing was taken"),
        pytest.param("USD", exchange("90.31", fee="1.69"), 0, id="a price of the gross, by its rate"),
        pytest.param("USD", exchange("90.20", fee="1.80"), 12, id="more than that"),
        pytest.param("USD", exchange("90.31", fee="1.83", fee_currency="USD"), 0, id="in the gross currency"),
        pytest.param(
            "USD", exchange("90.30", fee="1.84", fee_currency="USD"), 1, id="more in the gross currency"
        ),
        pytest.param(
            "EUR", exchange("90.30", fee="1.45", fee_currency="GBP", taken="1.70"), 0, id="in a third"
        ),
        pytest.param(
            "EUR", exchange("90.20", fee="1.53", fee_currency="GBP", taken="1.80"), 10, id="more in a third"
        ),
    ],
)
@pytest.mark.parametrize("kind", list(RunKind))
def test_a_fee_across_an_exchange_is_held_to_the_price(world, kind, priced_in, line, at_risk):
    # 1.6 % and 23 of either are 170 of 9,200 and 183 of 10,000.
    agree(world, priced_in, per_million=16_000, fixed=23)
    world.captured(1, 10_000, currency="USD", account="acct_1", at=AT)
    take_in(world.desk, report(payout("po_11111", (1, line))))
    world.match(kind, as_of=AS_OF)
    assert world.breaks() == ({"line:alpha:txn_1": ("fee_mismatch", at_risk)} if at_risk else {})


def test_a_line_that_nobody_could_read_leaves_its_payout_unexplained_until_it_is_named(world):
    world.captured(1, 10_000, account="acct_1", at=AT)
    world.captured(2, 10_000, account="acct_1", at=AT)
    readable = payout("po_11111", (1, {}), (2, {}))
    damaged = [readable[0], readable[1] | {"currency": "E?R"}, readable[2]]
    file = take_in(world.desk, report(damaged))
    assert (file.state, file.quarantined_count) == ("STAGED", 1)
    row = explained(world)
    assert (row["net_minor"], row["unread_minor"], row["unexplained_minor"]) == (9_830, 9_830, 9_830)
    # The bank has credited what could be read: against it alone nothing would be left.
    with_bank(world, 9_830)
    row = explained(world)
    assert (row["residue_minor"], row["explained"]) == (0, False)
    world.match(RunKind.FULL, as_of=AS_OF)
    assert ("payout_total_mismatch", 9_830) in world.breaks().values()
    assert explained(world)["explained"]
    take_in(world.desk, report(readable), name="corrected.csv")
    row = explained(world)
    assert (row["net_minor"], row["unread_minor"], row["unexplained_minor"]) == (19_660, 0, 0)


def test_a_payout_without_a_row_of_its_own_names_the_lines_of_it_that_nobody_could_read(world):
    """Its net is what could be read, and nothing but the bank says that it was more."""
    declare(world.desk, replace(ALPHA, format="stripe_payout_csv"))
    readable = [stripe_row(number, "po_1.1") for number in (1, 2)]
    # Another payout whose id begins or ends alike is another one.
    damaged = [
        readable[0],
        readable[1] | {"currency": "E?R"},
        stripe_row(3, "po_1.12", gross="?"),
        stripe_row(4, "po_1x1", gross="?"),
    ]
    file = take_in(world.desk, csv_bytes(damaged))
    world.bank_line("b1", 19_660, "po_1.1")
    world.match(as_of=AS_OF)
    row = explained(world)
    assert (row["net_minor"], row["stated_net_minor"], row["bank_credit_minor"]) == (9_830, None, 19_660)
    assert (row["residue_minor"], row["unread_minor"]) == (-9_830, 0)
    assert row["unread_lines"] == [
        {"file_id": file.file_id, "line_number": 3, "code": "currency_unknown", "field": "currency"}
    ]
    whole = [*readable, stripe_payout(9, "po_1.1", 19_660)]
    take_in(world.desk, csv_bytes(whole), name="corrected.csv")
    world.match(as_of=AS_OF)
    row = explained(world)
    assert (row["residue_minor"], row["unread_lines"]) == (0, [])
