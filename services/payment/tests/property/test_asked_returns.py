"""Whatever is said of one proposal, as often and in whatever order, and whatever becomes of its operation meanwhile."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.payment.app.apply_fact import apply_fact
from services.payment.app.apply_return_proposed import ApplyReturnProposed, apply_return_proposed
from services.payment.app.apply_return_withdrawn import ApplyReturnWithdrawn, apply_return_withdrawn
from services.payment.app.create_payment import create_payment
from services.payment.domain.answering import note_closed, note_sent
from services.payment.domain.asked_returns import AskedReturn
from services.payment.domain.changes import Moment
from services.payment.domain.commands import RefundPayment, WithdrawOperation
from services.payment.domain.events import StrayReturnAnswered, StrayReturnFailed, StrayReturnSucceeded
from services.payment.domain.operations import OperationState
from services.payment.domain.payment import Payment
from services.payment.domain.status import Source
from services.payment.tests.memory import MemoryPayments, MemoryUnit
from services.payment.tests.world import authorized, captured, fact, refunded, told, wish

PROPOSAL = "evt_" + "1" * 26
BREAK = "brk_" + "0a" * 13
AMOUNT = 3_000


class Asked:
    def __init__(self) -> None:
        self.rows: dict[str, AskedReturn] = {}

    def get(self, proposal_event_id: str) -> AskedReturn | None:
        return self.rows.get(proposal_event_id)

    def put(self, asked: AskedReturn) -> None:
        self.rows[asked.proposal_event_id] = asked


class Room(MemoryPayments):
    """The guarded update: what the domain reserved is there."""

    def reserve_stray(self, stray_id: str, amount_minor: int) -> bool:  # noqa: ARG002
        return True


class ReturnUnit(MemoryUnit):
    def __init__(self) -> None:
        super().__init__()
        self.payments = Room(lambda: self.now)
        self.asked_returns = Asked()


def with_stray(unit: ReturnUnit) -> Payment:
    payment = create_payment(wish(), unit)
    unit.commit()
    second = fact(
        object_type="capture", object_id="cap_2", status="succeeded", payment_id=payment.payment_id,
        parent_type="authorization", parent_id="auth_9", amount_minor=AMOUNT,
    )  # fmt: skip
    for what in (authorized(payment), captured(payment), second):
        apply_fact(told(what), unit)
        unit.commit()
    return payment


def moment(unit: ReturnUnit) -> Moment:
    return Moment(now=unit.now, cause_id="x", ids=unit.ids, source=Source.REPLY)


def propose(payment: Payment, unit: ReturnUnit) -> None:
    command = ApplyReturnProposed(
        break_id=BREAK, payment_id=payment.payment_id, processor="alpha", account="acct_alpha", object_id="cap_2",
        amount_minor=AMOUNT, currency="EUR", proposed_by="ada", approved_by="bob", cause_id=PROPOSAL,
    )  # fmt: skip
    apply_return_proposed(command, unit)


def withdraw(payment: Payment, unit: ReturnUnit) -> None:
    command = ApplyReturnWithdrawn(
        break_id=BREAK, payment_id=payment.payment_id, proposal_event_id=PROPOSAL, cause_id="evt_2"
    )
    apply_return_withdrawn(command, unit)


def send(payment: Payment, unit: ReturnUnit) -> None:
    for command in [c for c in unit.commands if isinstance(c, RefundPayment)]:
        note_sent(payment, payment.operations[command.operation_id], moment(unit))


def doubt(payment: Payment, unit: ReturnUnit) -> None:
    """Nobody knows what became of a send."""
    for command in [c for c in unit.commands if isinstance(c, RefundPayment)]:
        operation = payment.operations[command.operation_id]
        if operation.state == "SENT":
            payment.advance(operation, OperationState.UNCERTAIN, moment(unit))


def prove_absent(payment: Payment, unit: ReturnUnit) -> None:
    """The processor's service sends what is wanted no more never again, and ends it once it is not there."""
    for command in [c for c in unit.commands if isinstance(c, WithdrawOperation)]:
        operation = payment.operations[command.operation_id]
        if operation.state == "UNCERTAIN":
            note_closed(payment, operation, "not_found", moment(unit), ever_sent=True)


def succeed(payment: Payment, unit: ReturnUnit) -> None:
    for command in [c for c in unit.commands if isinstance(c, RefundPayment)]:
        back = refunded(
            payment, "succeeded", 1, object_id="ref_1", parent_id="cap_2", amount_minor=AMOUNT,
            reference=command.operation_id,
        )  # fmt: skip
        apply_fact(told(back), unit)


def drop(payment: Payment, unit: ReturnUnit, *, proved_unsent: bool = False) -> None:
    """The processor's service hears of the withdrawal: it drops what it never sent."""
    for command in [c for c in unit.commands if isinstance(c, WithdrawOperation)]:
        operation = payment.operations[command.operation_id]
        if operation.state == "REQUESTED" or (operation.state == "SENT" and proved_unsent):
            note_closed(payment, operation, "withdrawn", moment(unit), ever_sent=False)


def drop_unsent(payment: Payment, unit: ReturnUnit) -> None:
    """It does likewise with what it tried to send, where it knows that this did not happen."""
    drop(payment, unit, proved_unsent=True)


WORDS = {
    each.__name__: each for each in (propose, withdraw, send, doubt, prove_absent, succeed, drop, drop_unsent)
}


@given(said=st.lists(st.sampled_from(sorted(WORDS)), max_size=9))
def test_money_goes_back_only_by_a_return_that_was_sent_and_whoever_asked_hears_what_became_of_it(
    said: list[str],
) -> None:
    unit = ReturnUnit()
    payment = with_stray(unit)
    for word in [*said, "drop"]:
        WORDS[word](payment, unit)
        unit.commit()
    (stray,) = payment.strays.values()
    asked = [command for command in unit.commands if isinstance(command, RefundPayment)]
    heard = [event for _, event in unit.events if isinstance(event, StrayReturnAnswered)]
    results = [
        event for _, event in unit.events if isinstance(event, StrayReturnSucceeded | StrayReturnFailed)
    ]
    assert len(asked) <= 1
    assert stray.returned_minor + stray.reserved_minor <= AMOUNT
    first = [word for word in said if word in {"propose", "withdraw"}][:1]
    assert len(asked) == (first == ["propose"])
    if asked and "withdraw" in said and not {"send", "succeed"} & set(said):
        assert (stray.returned_minor, stray.reserved_minor) == (0, 0)
        assert [type(event) for event in results] == [StrayReturnFailed]
    if "withdraw" in said:
        late = [event for event in heard if event.reason == "return_too_late"]
        runs = any(each.undecided for each in payment.operations.values() if each.stray_id == stray.stray_id)
        assert results or late or runs or any(event.outcome == "refused" for event in heard)
        assert not (late and any(event.outcome == "refused" for event in heard))
    if not asked:
        assert {event.outcome for event in heard} <= {"refused"}
