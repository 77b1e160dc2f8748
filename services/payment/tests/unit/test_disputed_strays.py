"""A stray whose money is disputed or was charged back is not returned a second time, whichever comes first."""

from __future__ import annotations

from typing import Any

import pytest

from services.payment.domain.answering import note_closed, note_sent
from services.payment.domain.commands import RefundPayment, WithdrawOperation
from services.payment.domain.operations import Operation, OperationState
from services.payment.domain.payment import Payment
from services.payment.domain.resolving_strays import request_return
from services.payment.domain.strays import Stray
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.unit.test_strays import an_operator, money_astray, tell
from services.payment.tests.world import disputed, money_row, refunded, reversed_by_processor
from shared.kernel.errors import Rejected

AMOUNT = 3_000
OF_STRAY = {"parent_id": "cap_2", "amount_minor": AMOUNT}


@pytest.fixture
def unit() -> MemoryUnit:
    return MemoryUnit()


def taken(payment: Payment, kind: str = "dispute", amount_minor: int = AMOUNT) -> Any:
    status = {"dispute": "opened", "reversal": "succeeded"}[kind]
    return money_row(payment, kind, status, amount_minor, "row_1", parent_id="cap_2")


def returned(payment: Payment, operation: Operation, status: str = "succeeded", version: int = 1) -> Any:
    return refunded(payment, status, version, reference=operation.operation_id, **OF_STRAY)


def ask_back(unit: MemoryUnit, payment: Payment, stray: Stray) -> Operation:
    operation = request_return(payment, stray, an_operator(unit))
    unit.commit()
    return operation


def withdrawn(unit: MemoryUnit) -> list[tuple[str, str]]:
    return [(c.operation_id, c.reason) for c in unit.commands if isinstance(c, WithdrawOperation)]


# -- the claim comes first --------------------------------------------------------------------------------------------

FIRST = {
    "opened, no money taken yet": lambda p: [disputed(p, "opened", 1, **OF_STRAY)],
    "opened and taken": lambda p: [disputed(p, "opened", 1, **OF_STRAY), taken(p)],
    "its money row came before it": lambda p: [taken(p)],
    "a part is taken, and how it ends is open": lambda p: [taken(p, amount_minor=1_000)],
    "given back by a row, taking and dispute still untold": lambda p: [
        money_row(p, "dispute", "reinstated", AMOUNT, "row_2", parent_id="cap_2")
    ],
    "under review": lambda p: [disputed(p, "under_review", 2, **OF_STRAY)],
    "lost": lambda p: [taken(p), disputed(p, "lost", 2, **OF_STRAY)],
    "accepted": lambda p: [taken(p), disputed(p, "accepted", 2, **OF_STRAY)],
    "won, but its money is not back": lambda p: [taken(p), disputed(p, "won", 2, **OF_STRAY)],
    "charged back without a dispute": lambda p: [
        reversed_by_processor(p, "succeeded", 1, **OF_STRAY),
        taken(p, "reversal"),
    ],
}


@pytest.mark.parametrize("facts", FIRST.values(), ids=FIRST.keys())
def test_what_is_claimed_or_was_charged_back_is_not_returned(unit: MemoryUnit, facts: Any) -> None:
    payment, stray = money_astray(unit)
    tell(unit, *facts(payment))
    with pytest.raises(Rejected) as refused:
        request_return(payment, stray, an_operator(unit))
    assert refused.value.code in {"stray_disputed", "stray_settled"}
    assert not [command for command in unit.commands if isinstance(command, RefundPayment)]


@pytest.mark.parametrize(
    ("facts", "rest_minor"),
    [
        pytest.param(lambda p: [disputed(p, "inquiry", 1, **OF_STRAY)], AMOUNT, id="an inquiry claims nothing"),
        pytest.param(lambda p: [taken(p, "reversal", 1_000)], 2_000, id="a part was charged back"),
        pytest.param(
            lambda p: [
                taken(p),
                disputed(p, "won", 2, **OF_STRAY),
                money_row(p, "dispute", "reinstated", AMOUNT, "row_2", parent_id="cap_2"),
            ],
            AMOUNT,
            id="won and given back",
        ),
    ],
)  # fmt: skip
def test_what_is_claimed_no_more_is_returned_as_far_as_it_is_there(
    unit: MemoryUnit, facts: Any, rest_minor: int
) -> None:
    payment, stray = money_astray(unit)
    tell(unit, *facts(payment))
    assert ask_back(unit, payment, stray).amount_minor == rest_minor


# -- the return comes first -------------------------------------------------------------------------------------------

CLAIMS = {
    "opened": lambda p: disputed(p, "opened", 1, **OF_STRAY),
    "its money row": taken,
    "money given back, its taking still untold": lambda p: money_row(
        p, "dispute", "reinstated", AMOUNT, "row_2", parent_id="cap_2"
    ),
    "lost at once": lambda p: disputed(p, "lost", 1, **OF_STRAY),
    "a reversal": lambda p: taken(p, "reversal"),
}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS.keys())
def test_a_return_that_was_not_sent_yet_is_withdrawn_when_the_stray_is_claimed(
    unit: MemoryUnit, claim: Any
) -> None:
    payment, stray = money_astray(unit)
    back = ask_back(unit, payment, stray)
    tell(unit, claim(payment))
    assert [operation_id for operation_id, _ in withdrawn(unit)] == [back.operation_id]


def test_an_inquiry_withdraws_nothing_and_the_dispute_after_it_does_once(unit: MemoryUnit) -> None:
    payment, stray = money_astray(unit)
    back = ask_back(unit, payment, stray)
    tell(unit, disputed(payment, "inquiry", 1, **OF_STRAY))
    assert withdrawn(unit) == []
    tell(unit, disputed(payment, "opened", 2, **OF_STRAY), disputed(payment, "under_review", 3, **OF_STRAY))
    assert withdrawn(unit) == [(back.operation_id, "stray_disputed")]


def test_a_return_that_was_sent_runs_on_and_both_taking_it_is_a_case(unit: MemoryUnit) -> None:
    payment, stray = money_astray(unit)
    back = ask_back(unit, payment, stray)
    note_sent(payment, back, an_operator(unit))
    tell(unit, disputed(payment, "opened", 1, **OF_STRAY))
    assert withdrawn(unit) == [(back.operation_id, "stray_disputed")], "whether it arrived, processor knows"
    assert not any(key.startswith("stray_returned_twice") for key in payment.case_keys)
    tell(unit, returned(payment, back), taken(payment))
    assert (back.state, stray.returned_minor, stray.taken_back_minor) == ("SUCCEEDED", AMOUNT, AMOUNT)
    assert f"stray_returned_twice:{stray.stray_id}" in payment.case_keys
    assert payment.amounts.stray_minor == 0


def test_a_return_in_doubt_is_withdrawn_keeps_its_money_and_is_over_once_it_is_proved_absent(
    unit: MemoryUnit,
) -> None:
    payment, stray = money_astray(unit)
    back = ask_back(unit, payment, stray)
    payment.advance(back, OperationState.UNCERTAIN, an_operator(unit))
    tell(unit, disputed(payment, "opened", 1, **OF_STRAY), taken(payment))
    assert [operation_id for operation_id, _ in withdrawn(unit)] == [back.operation_id]
    assert (back.state, stray.reserved_minor) == ("UNCERTAIN", AMOUNT)
    note_closed(payment, back, "not_found", an_operator(unit), ever_sent=True)
    assert (back.state, stray.reserved_minor) == ("ABANDONED", 0)


def test_a_stray_that_is_disputed_after_its_return_is_a_case_with_the_money_at_risk(unit: MemoryUnit) -> None:
    payment, stray = money_astray(unit)
    back = ask_back(unit, payment, stray)
    tell(unit, returned(payment, back))
    tell(unit, disputed(payment, "opened", 1, **OF_STRAY), taken(payment))
    (exposure,) = [
        event.exposure_minor
        for _, event in unit.events
        if getattr(event, "reason", "") == "stray_returned_twice"
    ]
    assert exposure == AMOUNT
    tell(unit, returned(payment, back, "failed", 2))
    with pytest.raises(Rejected, match="disputed"):
        request_return(payment, stray, an_operator(unit))


def test_a_return_that_the_processor_showed_is_in_doubt_and_keeps_its_money_though_it_is_not_found_later(
    unit: MemoryUnit,
) -> None:
    payment, stray = money_astray(unit)
    back = ask_back(unit, payment, stray)
    note_sent(payment, back, an_operator(unit))
    tell(unit, returned(payment, back, "pending"))
    note_closed(payment, back, "not_found", an_operator(unit), ever_sent=True)
    unit.commit()
    assert (back.state, stray.reserved_minor) == ("IN_REVIEW", AMOUNT)
    tell(unit, returned(payment, back, version=2))
    assert (back.state, stray.reserved_minor, stray.returned_minor) == ("SUCCEEDED", 0, AMOUNT)
