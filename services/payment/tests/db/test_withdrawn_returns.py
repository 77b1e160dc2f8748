"""A return that reconciliation wants no more: stopped while it was not sent, else answered to be too late; in any order."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest

from schemas.generated import StrayReturnProposedV1, StrayReturnWithdrawnV1
from services.payment.app.apply_attempt_closed import ApplyAttemptClosed, apply_attempt_closed
from services.payment.app.apply_attempt_sent import ApplyAttemptSent, apply_attempt_sent
from services.payment.tests.db.scenes import astray, told
from services.payment.tests.db.shop import Shop
from services.payment.tests.db.stand import Stand
from services.payment.tests.db.test_returns_proposed import answers, proposed
from services.payment.tests.db.test_settlement import consume
from services.payment.tests.world import disputed, money_row, refunded
from shared.kernel.errors import Poison
from shared.kernel.ids import UlidIds

NOW = datetime(2026, 11, 24, tzinfo=UTC)
PROPOSAL, WITHDRAWAL = "evt_" + "1" * 26, "evt_" + "2" * 26


def withdrawn(payment_id: str, **changes: Any) -> StrayReturnWithdrawnV1:
    said: dict[str, Any] = {
        "break_id": "brk_" + "0a" * 13, "payment_id": payment_id, "proposal_event_id": PROPOSAL,
        "reason": "the line is another payment's", "withdrawn_at": NOW,
    } | changes  # fmt: skip
    return StrayReturnWithdrawnV1(**said)


def hear(shop: Shop, *said: StrayReturnProposedV1 | StrayReturnWithdrawnV1) -> None:
    """In one transaction, as the consumer does; every word has its event, also where it comes again."""
    ids = [PROPOSAL if isinstance(word, StrayReturnProposedV1) else WITHDRAWAL for word in said]
    run = partial(shop.transactions.run, name="test")
    consume(cast("Stand", SimpleNamespace(run=run)), *said, event_ids=ids)


def operation_of(shop: Shop) -> str:
    (asked,) = told(shop, "StrayReturnRequested.v1")
    return str(asked["operation_id"])


def stopped(shop: Shop) -> list[tuple[str, str]]:
    return [(said["operation_id"], said["reason"]) for said in told(shop, "WithdrawOperation.v1")]


def sent(shop: Shop, payment_id: str) -> None:
    command = ApplyAttemptSent(
        payment_id=payment_id, operation_id=operation_of(shop), cause_id=UlidIds().new("evt_")
    )
    shop.transactions.run(lambda uow: apply_attempt_sent(command, uow), name="test")


def closed(shop: Shop, payment_id: str, reason: str = "withdrawn", *, ever_sent: bool = False) -> None:
    command = ApplyAttemptClosed(
        payment_id=payment_id, operation_id=operation_of(shop), reason=reason, ever_sent=ever_sent,
        cause_id=UlidIds().new("evt_"),
    )  # fmt: skip
    shop.transactions.run(lambda uow: apply_attempt_closed(command, uow), name="test")


def given_back(shop: Shop, payment_id: str) -> None:
    back = refunded(
        shop.payment(payment_id), "succeeded", 1, object_id="ref_1", parent_id="cap_2", amount_minor=3_000,
        reference=operation_of(shop),
    )  # fmt: skip
    shop.tell(back)


def amounts(shop: Shop) -> tuple[int, int]:
    """What of the stray is reserved for returns, and what was returned."""
    (row,) = shop.rows("SELECT reserved_minor, returned_minor FROM strays")
    return row[0], row[1]


@pytest.mark.parametrize("together", [True, False])
def test_what_was_not_sent_is_stopped_and_the_stray_is_open_again(shop: Shop, *, together: bool) -> None:
    payment_id, _ = astray(shop)
    words = (proposed(payment_id), withdrawn(payment_id))
    for batch in [words] if together else [(word,) for word in words]:
        hear(shop, *batch)
    assert stopped(shop) == [(operation_of(shop), "return_withdrawn")]
    assert answers(shop) == [("accepted", operation_of(shop), None)]
    closed(shop, payment_id)
    (failed,) = told(shop, "StrayReturnFailed.v1")
    assert (failed["operation_id"], amounts(shop)) == (operation_of(shop), (0, 0))
    assert shop.payment(payment_id).amounts.stray_minor == 3_000


def test_what_was_tried_and_proved_not_sent_is_stopped(shop: Shop) -> None:
    payment_id, _ = astray(shop)
    hear(shop, proposed(payment_id))
    sent(shop, payment_id)
    shop.answer(payment_id, "not_sent", operation_of(shop))
    hear(shop, withdrawn(payment_id))
    assert stopped(shop) == [(operation_of(shop), "return_withdrawn")]
    assert answers(shop) == [("accepted", operation_of(shop), None)]
    closed(shop, payment_id)
    (failed,) = told(shop, "StrayReturnFailed.v1")
    assert (failed["operation_id"], amounts(shop)) == (operation_of(shop), (0, 0))


@pytest.mark.parametrize("arrived", [True, False])
def test_what_is_in_doubt_is_sent_no_more_and_its_end_is_the_answer(shop: Shop, *, arrived: bool) -> None:
    payment_id, _ = astray(shop)
    hear(shop, proposed(payment_id))
    sent(shop, payment_id)
    shop.answer(payment_id, "unknown", operation_of(shop))
    hear(shop, withdrawn(payment_id))
    assert stopped(shop) == [(operation_of(shop), "return_withdrawn")]
    assert answers(shop) == [("accepted", operation_of(shop), None)]
    assert amounts(shop) == (3_000, 0), "it may have arrived"
    if arrived:
        given_back(shop, payment_id)
    else:
        closed(shop, payment_id, reason="not_found", ever_sent=True)
    (ended,) = told(shop, "StrayReturnSucceeded.v1" if arrived else "StrayReturnFailed.v1")
    assert (ended["operation_id"], amounts(shop)) == (operation_of(shop), (0, 3_000 if arrived else 0))


def test_what_is_in_doubt_is_withdrawn_once_by_whatever_claims_it(shop: Shop) -> None:
    payment_id, _ = astray(shop)
    hear(shop, proposed(payment_id))
    sent(shop, payment_id)
    shop.answer(payment_id, "unknown", operation_of(shop))
    of_stray = {"parent_id": "cap_2", "amount_minor": 3_000}
    shop.tell(disputed(shop.payment(payment_id), "opened", 1, **of_stray))
    shop.tell(money_row(shop.payment(payment_id), "dispute", "opened", 3_000, "row_1", parent_id="cap_2"))
    hear(shop, withdrawn(payment_id))
    assert stopped(shop) == [(operation_of(shop), "stray_disputed")]


def test_what_arrived_runs_on_and_is_answered_to_be_too_late(shop: Shop) -> None:
    payment_id, _ = astray(shop)
    hear(shop, proposed(payment_id))
    sent(shop, payment_id)
    shop.answer(payment_id, "accepted", operation_of(shop))
    hear(shop, withdrawn(payment_id))
    assert stopped(shop) == []
    assert answers(shop)[1:] == [("accepted", operation_of(shop), "return_too_late")]
    given_back(shop, payment_id)
    assert amounts(shop) == (0, 3_000)


def test_what_was_given_back_is_answered_to_be_too_late(shop: Shop) -> None:
    payment_id, _ = astray(shop)
    hear(shop, proposed(payment_id))
    given_back(shop, payment_id)
    hear(shop, withdrawn(payment_id))
    assert answers(shop)[1:] == [("accepted", operation_of(shop), "return_too_late")]
    assert (stopped(shop), amounts(shop)) == ([], (0, 3_000))


def test_what_was_dropped_but_had_been_sent_says_so_by_its_success(shop: Shop) -> None:
    payment_id, _ = astray(shop)
    hear(shop, proposed(payment_id), withdrawn(payment_id))
    sent(shop, payment_id)
    given_back(shop, payment_id)
    (done,) = told(shop, "StrayReturnSucceeded.v1")
    assert (done["operation_id"], amounts(shop)) == (operation_of(shop), (0, 3_000))


def test_what_came_to_nothing_before_is_answered_so(shop: Shop) -> None:
    payment_id, _ = astray(shop)
    hear(shop, proposed(payment_id))
    closed(shop, payment_id)
    hear(shop, withdrawn(payment_id))
    assert answers(shop)[1:] == [("refused", None, "return_withdrawn")]


def test_a_withdrawal_that_comes_first_is_answered_and_nothing_is_asked_for_afterwards(shop: Shop) -> None:
    payment_id, _ = astray(shop)
    hear(shop, withdrawn(payment_id))
    hear(shop, proposed(payment_id))
    assert told(shop, "StrayReturnRequested.v1") == []
    assert answers(shop) == [("refused", None, "return_withdrawn")] * 2
    assert shop.rows("SELECT state, operation_id FROM asked_returns") == [("WITHDRAWN", None)]


def test_what_was_refused_is_answered_to_be_withdrawn(shop: Shop) -> None:
    payment_id, _ = astray(shop)
    hear(shop, proposed(payment_id, amount_minor=2_999))
    hear(shop, withdrawn(payment_id))
    assert answers(shop) == [("refused", None, "stray_differs"), ("refused", None, "return_withdrawn")]


def test_both_words_come_again_and_nothing_more_happens(shop: Shop) -> None:
    payment_id, _ = astray(shop)
    both = (proposed(payment_id), withdrawn(payment_id))
    hear(shop, *both)
    before = answers(shop), stopped(shop)
    for word in (*both, *reversed(both)):
        hear(shop, word)
    assert (answers(shop), stopped(shop)) == before
    assert len(told(shop, "RefundPayment.v1")) == 1


def test_another_return_of_the_stray_is_none_of_the_withdrawal(shop: Shop) -> None:
    payment_id, _ = astray(shop)
    hear(shop, proposed(payment_id))
    hear(shop, withdrawn(payment_id, proposal_event_id="evt_" + "9" * 26))
    assert stopped(shop) == []
    assert shop.rows("SELECT state FROM asked_returns ORDER BY proposal_event_id") == [
        ("ASKED",),
        ("WITHDRAWN",),
    ]


def test_of_another_payment_than_it_was_proposed_for_nothing_is_withdrawn(shop: Shop) -> None:
    payment_id, _ = astray(shop)
    hear(shop, proposed(payment_id))
    other = str(shop.create()["id"])
    with pytest.raises(Poison, match=f"was about {payment_id}"):
        hear(shop, withdrawn(other))
    with pytest.raises(Poison, match="is not ours"):
        hear(shop, withdrawn("pay_" + "9" * 26))


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("UPDATE asked_returns SET state = 'ASKED'", "asked_return_step_legal"),
        ("UPDATE asked_returns SET operation_id = 'op_x'", "asked_return_step_legal"),
        ("DELETE FROM asked_returns", "permission denied"),
        ("INSERT INTO asked_returns VALUES ('evt_x', 'pay_x', 'ASKED', NULL)", "asked_returns_operation"),
    ],
)
def test_plain_sql_begins_nothing_anew(shop: Shop, statement: str, refusal: str) -> None:
    payment_id, _ = astray(shop)
    hear(shop, proposed(payment_id), withdrawn(payment_id))
    url = shop.parts.settings.database_url.replace("+psycopg", "")
    with psycopg.connect(url) as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute(statement.encode())
    assert refusal in f"{refused.value.diag.constraint_name} {refused.value}"
