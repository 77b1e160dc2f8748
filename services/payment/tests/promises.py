"""What a payment promises after every step, whoever talked in which order: the invariants of the payment machine."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from hypothesis.stateful import RuleBasedStateMachine, invariant

from services.payment.domain import lifecycle, operations
from services.payment.domain.events import (
    HoldReleased,
    PaymentAuthorized,
    PaymentCaptured,
    StrayAccepted,
    StrayFound,
)
from services.payment.domain.operations import OperationState
from services.payment.domain.payment import Payment
from services.payment.domain.status import Status
from services.payment.tests.memory import MemoryUnit

_CAPTURE_OR_CANCEL = {
    "capture_declined",
    "capture_abandoned",
    "cancel_declined",
    "cancel_abandoned",
    "refused_by_risk",
}
_TAKEN = (Status.CAPTURED, Status.SETTLED, Status.REFUNDED, Status.DISPUTED, Status.REVERSED)
_AUTHORIZE = {"authorize_declined", "authorize_abandoned"}
#: What a payment may show as the last thing that went wrong. Where money was taken a sale may be refused later still,
#: if somebody else's capture was adopted while it was in doubt; what ended canceled was canceled, so no cancel is wrong.
MAY_SAY: dict[Status, set[str]] = {
    Status.CREATED: set(),
    Status.REQUIRES_PAYMENT_METHOD: _AUTHORIZE,
    Status.FAILED: _AUTHORIZE | {"refused_by_risk"},
    Status.CANCELED: _AUTHORIZE | {"capture_declined", "capture_abandoned", "refused_by_risk"},
    **dict.fromkeys((Status.AUTHORIZED, *_TAKEN), _AUTHORIZE | _CAPTURE_OR_CANCEL),
}


class Promises(RuleBasedStateMachine):
    """The invariants; the rules come with the machine that inherits them."""

    #: What all machines of this process went through, by name; proves that they went anywhere at all.
    seen: ClassVar[Counter[str]] = Counter()

    unit: MemoryUnit
    payment: Payment

    @invariant()
    def count_what_was_reached(self) -> None:
        self.seen["steps"] += 1
        self.seen[f"status:{self.payment.status}"] += 1
        self.seen[f"{self.payment.status}:{self.payment.processor}"] += 1
        self.seen.update({f"{o.type}:{o.state}" for o in self.payment.operations.values()})
        self.seen.update({f"stray:{stray.kind}" for stray in self.payment.strays.values()})

    @invariant()
    def amounts_keep_their_bounds(self) -> None:
        amounts = self.payment.amounts
        for name in type(amounts).__dataclass_fields__:
            assert getattr(amounts, name) >= 0, name
        ours = amounts.refunded_minor - amounts.refunded_adopted_minor
        assert ours + amounts.refund_reserved_minor <= amounts.captured_minor
        assert 0 <= self.payment.fee_returned_minor <= self.payment.fee_total_minor

    @invariant()
    def the_status_says_what_the_amounts_say(self) -> None:
        payment = self.payment
        if payment.amounts.captured_minor:
            assert payment.status is lifecycle.status_of_captured(payment.amounts)
        else:
            assert payment.status in {
                Status.CREATED, Status.REQUIRES_PAYMENT_METHOD, Status.AUTHORIZED, Status.FAILED, Status.CANCELED,
            }  # fmt: skip

    @invariant()
    def at_most_one_operation_that_blocks_is_undecided(self) -> None:
        blocking = [
            operation
            for operation in self.payment.operations.values()
            if operation.undecided and operation.type in operations.BLOCKING
        ]
        assert len(blocking) <= 1

    @invariant()
    def a_person_has_each_case_once_and_what_is_closed_stays(self) -> None:
        cases = self.payment.cases
        waiting = [case.key for case in cases if case.open]
        assert len(waiting) == len(set(waiting))
        for case in cases:
            if case.follows_case_id is not None:
                assert not cases.kept[case.follows_case_id].open

    @invariant()
    def we_never_give_back_more_of_a_stray_than_it_is(self) -> None:
        for stray in self.payment.strays.values():
            ours = [
                o for o in self.payment.operations.values()
                if o.stray_id == stray.stray_id and o.type == "stray_return" and (o.undecided or o.state == "SUCCEEDED")
            ]  # fmt: skip
            assert sum(operation.amount_minor for operation in ours) <= stray.amount_minor
            assert stray.reserved_minor == sum(o.amount_minor for o in ours if o.undecided)

    @invariant()
    def what_is_astray_as_a_hold_is_not_money_too(self) -> None:
        for stray in self.payment.strays.values():
            if stray.kind == "hold" and not stray.released:
                hold = self.payment.objects[stray.processor, stray.account, stray.object_id]
                assert hold.status not in {"voided", "expired", "declined"}
                taken = [
                    thing.amount_minor
                    for thing in self.payment.objects.values()
                    if thing.object_type == "capture" and thing.status == "succeeded"
                    and thing.parent_id == stray.object_id
                ]  # fmt: skip
                assert sum(taken) <= stray.taken_back_minor < stray.amount_minor

    @invariant()
    def history_walks_the_tables(self) -> None:
        for step in self.unit.history:
            if step.from_state is None:
                continue
            if step.subject == "payment":
                assert (Status(step.from_state), Status(step.to_state)) in lifecycle.pairs()
            else:
                pair = (OperationState(step.from_state), OperationState(step.to_state))
                assert pair in operations.pairs()

    @invariant()
    def what_was_taken_back_is_what_disputes_and_reversals_say(self) -> None:
        amounts = self.payment.amounts
        disputes = [d for d in self.payment.disputes.values() if d.stray_id is None]
        reversals = [r for r in self.payment.reversals.values() if r.stray_id is None]
        for dispute in disputes:
            assert dispute.written_off_minor == dispute.written_off_due_minor
        assert amounts.disputed_open_minor == sum(d.open_minor for d in disputes)
        assert amounts.reversed_minor == sum(d.written_off_minor for d in disputes) + sum(
            max(r.taken_minor - r.given_back_minor, 0) for r in reversals
        )

    @invariant()
    def a_dispute_has_at_most_one_undecided_answer(self) -> None:
        answered = [o.dispute_id for o in self.payment.operations.values() if o.dispute_id and o.undecided]
        assert len(answered) == len(set(answered))

    @invariant()
    def what_was_announced_adds_up_to_the_amounts(self) -> None:
        sums: dict[str, int] = {}
        for _, event in self.unit.events:
            name = type(event).__name__
            sums[name] = sums.get(name, 0) + (getattr(event, "amount_minor", 0) or 0)
        failed_later = sum(
            event.amount_minor
            for _, event in self.unit.events
            if type(event).__name__ == "RefundFailed" and getattr(event, "was_succeeded", False)
        )
        amounts = self.payment.amounts
        assert sums.get("PaymentCaptured", 0) == amounts.captured_minor
        assert sums.get("PaymentAuthorized", 0) == amounts.authorized_minor
        refunded = sums.get("RefundSucceeded", 0) + sums.get("RefundAdopted", 0) - failed_later
        assert refunded == amounts.refunded_minor

    @invariant()
    def what_is_told_as_given_back_was_held_and_not_taken(self) -> None:
        rest_minor = 0
        took: dict[str, int] = {}
        for _, event in self.unit.events:
            if isinstance(event, HoldReleased):
                assert event.amount_minor == max(rest_minor - sum(took.values()), 0)
            elif isinstance(event, PaymentAuthorized):
                rest_minor += event.amount_minor
            elif isinstance(event, PaymentCaptured):
                rest_minor -= event.amount_minor
            elif isinstance(event, StrayAccepted):
                took.pop(event.stray_id, None)
            elif isinstance(event, StrayFound) and self._took_of_the_hold(event):
                took[event.stray_id] = event.amount_minor

    def _took_of_the_hold(self, stray: StrayFound) -> bool:
        thing = self.payment.objects[stray.processor, stray.account, stray.object_id]
        ours = thing.parent_id is not None and thing.parent_id == self.payment.authorization_id
        return ours and stray.kind == "money" and stray.currency == self.payment.currency

    @invariant()
    def what_it_says_went_wrong_fits_where_it_stands(self) -> None:
        said = self.payment.last_error_code
        assert said is None or said in MAY_SAY[self.payment.status], (self.payment.status, said)

    @invariant()
    def money_at_the_processor_counts_once(self) -> None:
        """Every capture that succeeded stands in the amounts or is a stray: never both, never neither."""
        for thing in self.payment.objects.values():
            stray = self.payment.strays.get(thing.stray_id or "")
            if thing.object_type != "capture":
                continue
            if thing.status == "failed":
                # Money that was astray and is gone is taken off the stray.
                gone = [
                    r.outstanding_minor
                    for r in self.payment.reversals.values()
                    if r.object_id == thing.object_id
                ]
                assert stray is None or gone == [stray.amount_minor], thing
            if thing.status != "succeeded" or not thing.amount_minor:
                continue  # a capture of nothing is neither counted nor astray
            astray = stray is not None and stray.kind == "money" and not stray.accepted
            assert (thing.role in {"counted", "adopted"}) == bool(thing.counted_minor)
            assert astray != bool(thing.counted_minor), thing

    @invariant()
    def the_dead_hold_and_took_nothing(self) -> None:
        amounts = self.payment.amounts
        if self.payment.status in lifecycle.DEAD:
            assert (amounts.captured_minor, amounts.capturable_minor) == (0, 0)
        assert amounts.capturable_minor <= max(amounts.authorized_minor - amounts.captured_minor, 0)

    @invariant()
    def strays_shown_are_the_strays_there_are(self) -> None:
        payment = self.payment
        assert payment.amounts.stray_minor == sum(
            max(stray.open_minor, 0)
            for stray in payment.strays.values()
            if stray.kind == "money" and stray.currency == payment.currency
        )
        objects = Counter(
            (stray.processor, stray.object_id) for stray in payment.strays.values() if not stray.accepted
        )
        assert max(objects.values(), default=0) <= 1
