"""The verdict over a storm reads what was stored when it happened, and what the processors' own books say."""

from collections.abc import Iterator

import psycopg
import pytest

from tools.faults.verdict import (
    done_twice,
    doubts,
    never_arrived,
    not_yet_sent,
    returns,
    wait_until_nothing_pends,
)
from tools.tests.db.conftest import Bench
from tools.tests.db.tiny_rows import AT

DEADLINES_S = {"alpha": 3_600.0}
ASKED_EARLIER = (
    "UPDATE operations SET created_at = created_at - interval '2 hours' WHERE operation_id = 'op_5'"
)
A_CASE = """
INSERT INTO cases (case_id, payment_id, reason, operation_id, exposure_minor, currency, opened_at, changed_at)
VALUES ('case_late', 'pay_3', 'ladder_exhausted', 'op_5', 0, 'EUR',
        timestamptz '{at}' - interval '2 hours' + interval '{after}', now())
"""
TWICE = """
INSERT INTO alpha_book (kind, object_id, subject_id, subject_revision, account, reference, payment_id, currency,
                        held_minor, captured_minor, refunded_minor, withdrawn_minor, reversed_minor, fee_minor, booked_at)
SELECT kind, object_id || '_again', subject_id || '_again', subject_revision, account, reference, payment_id, currency,
       held_minor, captured_minor, refunded_minor, withdrawn_minor, reversed_minor, fee_minor, booked_at
  FROM alpha_book WHERE reference = 'op_5'
"""
ANNOUNCED = """
INSERT INTO alpha_events (id, type, object_id, created_at, body, in_feed)
VALUES ('aevt_late', 'authorization.authorized', 'auth_3', now(), '{}', true)
"""
DAYS_LATE = "INSERT INTO alpha_webhooks (event_id, due_at) VALUES ('aevt_late', now() + interval '3 days')"


@pytest.fixture
def whole_again(books: Bench) -> Iterator[Bench]:
    """What a test plants is gone afterwards."""
    yield books
    for service in ("payment", "sandbox"):
        books.history.write(service, books.admin[service])


def late(books: Bench) -> set[str]:
    found = doubts(books.addresses.database("payment"), DEADLINES_S)
    return {line.partition(" ")[0] for line in found.late}


def test_what_was_decided_long_after_its_deadline_is_named_though_nothing_pends_any_more(
    whole_again: Bench,
) -> None:
    assert "op_5" not in late(whole_again)
    whole_again.plant("payment", ASKED_EARLIER)
    assert "op_5" in late(whole_again)


@pytest.mark.parametrize(("after", "is_late"), [("30 minutes", False), ("90 minutes", True)])
def test_a_case_in_time_is_as_good_as_a_decision(whole_again: Bench, after: str, is_late: bool) -> None:
    whole_again.plant("payment", ASKED_EARLIER, A_CASE.format(at=AT, after=after))
    assert ("op_5" in late(whole_again)) is is_late


def test_an_effect_that_the_book_has_twice_is_seen_with_its_payment(whole_again: Bench) -> None:
    sandbox = whole_again.addresses.database("sandbox")
    assert "op_5" not in done_twice(sandbox)
    whole_again.plant("sandbox", TWICE)
    assert done_twice(sandbox)["op_5"] == "pay_3"


def test_only_a_call_that_the_book_knows_nothing_of_never_arrived(whole_again: Bench) -> None:
    payment, sandbox = (whole_again.addresses.database(name) for name in ("payment", "sandbox"))
    whole_again.plant("payment", "UPDATE operations SET state = 'ABANDONED' WHERE operation_id = 'op_5'")
    assert "pay_3" not in never_arrived(payment, sandbox)
    whole_again.plant("sandbox", "DELETE FROM alpha_book WHERE reference = 'op_5'")
    assert "pay_3" in never_arrived(payment, sandbox)


def test_webhooks_that_nobody_waits_for_are_named_by_their_payment(whole_again: Bench) -> None:
    sandbox = whole_again.addresses.database("sandbox")
    before = set(not_yet_sent(sandbox))
    whole_again.plant("sandbox", ANNOUNCED, DAYS_LATE)
    assert set(not_yet_sent(sandbox)) - before == {"pay_3"}


A_STRAY = """
INSERT INTO strays (stray_id, payment_id, kind, processor, account, object_type, object_id, fact_key, amount_minor, currency,
                    mismatch, found_at, returned_minor, reserved_minor, released)
VALUES ('str_late', 'pay_3', '{kind}', 'alpha', 'acct_alpha', 'capture', 'cap_late', 'fact_late', 500, 'EUR',
        {mismatch}, now(), {returned}, 0, false)
"""


def astray(books: Bench) -> set[str]:
    found = returns(books.addresses.database("payment"), frozenset())
    return {problem for problem in found.problems if problem.startswith("str_late")}


@pytest.mark.parametrize(
    ("kind", "mismatch", "returned", "is_left"),
    [
        ("money", False, 0, True),
        ("money", False, 499, True),
        ("money", False, 500, False),
        ("hold", False, 0, True),
        ("money", True, 0, False),
    ],
)
def test_what_is_still_astray_is_named_but_for_what_is_a_persons(
    whole_again: Bench, kind: str, mismatch: bool, returned: int, is_left: bool
) -> None:
    whole_again.plant("payment", A_STRAY.format(kind=kind, mismatch=mismatch, returned=returned))
    assert astray(whole_again) == ({"str_late of pay_3 is still astray"} if is_left else set())
    database = whole_again.addresses.database("payment")
    assert returns(database, frozenset({"pay_3"})).problems == (), "its call did not arrive"


def test_nothing_is_at_rest_while_something_astray_waits_for_the_policy(whole_again: Bench) -> None:
    whole_again.plant("payment", A_STRAY.format(kind="money", mismatch=False, returned=0))
    _, pending = wait_until_nothing_pends(whole_again.addresses.database("payment"), 0.0)
    assert "str_late of pay_3 waits to be given back" in pending


def test_a_stray_that_went_back_twice_is_named(whole_again: Bench) -> None:
    whole_again.plant("payment", A_STRAY.format(kind="money", mismatch=False, returned=500))
    back = "UPDATE operations SET type = 'stray_return', stray_id = 'str_late' WHERE operation_id = '{}'"
    database = whole_again.addresses.database("payment")
    ours = "SELECT operation_id FROM operations WHERE state = 'SUCCEEDED' AND payment_id = 'pay_1' LIMIT 2"
    with psycopg.connect(database) as connection:
        (first,), (second,) = connection.execute(ours).fetchall()
    whole_again.plant("payment", back.format(first))
    assert returns(database, frozenset()).problems == ()
    whole_again.plant("payment", back.format(second))
    assert returns(database, frozenset()).problems == ("str_late of pay_1 went back 2 times",)
