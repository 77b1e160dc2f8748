"""Every report that the processor service can make of an operation, and what it means for the payment: as a table."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.payment.app.apply_attempt_answered import ApplyAttemptAnswered, apply_attempt_answered
from services.payment.app.apply_attempt_closed import ApplyAttemptClosed, apply_attempt_closed
from services.payment.app.apply_fact import apply_fact
from services.payment.app.apply_ladder_exhausted import ApplyLadderExhausted, apply_ladder_exhausted
from services.payment.app.apply_looked_up import ApplyLookedUp, apply_looked_up
from services.payment.app.cancel_payment import CancelPayment, cancel_payment
from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.create_payment import create_payment
from services.payment.app.refund_payment import RefundPayment, refund_payment
from services.payment.domain.answering import Answer
from services.payment.domain.events import CaseOpened, OperationResolved, OperationUncertain
from services.payment.domain.payment import Payment
from services.payment.domain.status import CaptureMethod
from services.payment.tests.memory import START, MemoryUnit
from services.payment.tests.world import MERCHANT, authorized, captured, first_operation, refunded, told, wish
from shared.kernel.errors import Rejected

WHO = {"merchant_id": MERCHANT, "mode": "test", "request_id": "r"}
LATER = START + timedelta(days=1)


class Desk:
    """One payment with its latest operation, told what the processor service says."""

    def __init__(self, kind: str, *, route: str | None = None, **changes: Any) -> None:
        self.unit = MemoryUnit()
        self.unit.payments.route = route
        manual = kind in {"authorize", "capture", "cancel"}
        method = CaptureMethod.MANUAL if manual else CaptureMethod.AUTOMATIC
        self.payment: Payment = create_payment(wish(capture_method=method, **changes), self.unit)
        self.unit.commit()
        whole = {**WHO, "payment_id": self.payment.payment_id}
        if kind in {"capture", "cancel", "refund"}:
            self.tell(authorized(self.payment))
        if kind == "capture":
            capture_payment(CapturePayment(**whole, amount_minor=6_000), self.unit)
        elif kind == "cancel":
            cancel_payment(CancelPayment(**whole), self.unit)
        elif kind == "refund":
            self.tell(captured(self.payment))
            refund_payment(RefundPayment(**whole, amount_minor=4_000), self.unit)
        self.unit.commit()
        self.unit.commands.clear()

    @property
    def operation(self) -> Any:
        return self.payment.latest_operation

    def tell(self, *facts: Any) -> None:
        for what in facts:
            apply_fact(told(what), self.unit)
            self.unit.commit()

    def fact(self, status: str, **changes: Any) -> Any:
        """The object that the operation made or changed, as the processor shows it."""
        kind, own = self.operation.type.value, self.operation.operation_id
        if kind == "cancel":
            return authorized(self.payment, status=status, object_version=2, **changes)
        if kind == "authorize":
            return authorized(self.payment, own, status=status, **changes)
        if kind == "capture":
            values = {"amount_minor": 6_000, "status": status} | changes
            return captured(self.payment, own, **values)
        return refunded(self.payment, status, changes.pop("object_version", 1), reference=own, **changes)

    def answered(self, result: str, *facts: Any, at: Any = None, mismatched: bool = False) -> None:
        answer = Answer(
            result=result, decline_code=None, error_code="worker_lost" if result == "unknown" else None,
            message=None, next_check_at=at, mismatched=mismatched,
        )  # fmt: skip
        apply_attempt_answered(
            ApplyAttemptAnswered(
                payment_id=self.payment.payment_id, operation_id=self.operation.operation_id, cause_id="e",
                answer=answer, facts=facts, answered_at=self.unit.now,
            ),
            self.unit,
        )  # fmt: skip
        self.unit.commit()

    def looked_up(self, result: str, *facts: Any, at: Any = None) -> None:
        apply_looked_up(
            ApplyLookedUp(
                payment_id=self.payment.payment_id, operation_id=self.operation.operation_id, cause_id="e",
                result=result, facts=facts, looked_up_at=self.unit.now, next_check_at=at,
            ),
            self.unit,
        )  # fmt: skip
        self.unit.commit()

    def closed(self, reason: str, *, ever_sent: bool) -> None:
        apply_attempt_closed(
            ApplyAttemptClosed(
                payment_id=self.payment.payment_id, operation_id=self.operation.operation_id, reason=reason,
                ever_sent=ever_sent, cause_id="e",
            ),
            self.unit,
        )  # fmt: skip
        self.unit.commit()

    def exhausted(self) -> None:
        apply_ladder_exhausted(
            ApplyLadderExhausted(
                payment_id=self.payment.payment_id, operation_id=self.operation.operation_id, cause_id="e"
            ),
            self.unit,
        )
        self.unit.commit()

    def commands(self) -> list[str]:
        return [type(command).__name__ for command in self.unit.commands]

    def cases(self) -> set[str]:
        return {key.partition(":")[0] for key in self.payment.case_keys}


#: kind, what is reported in this order, the operation's state, the payment's status, the cases.
TABLE: list[tuple[str, str, list[tuple[Any, ...]], str, str, set[str]]] = [
    ("a call was lost", "sale", [("answered", "unknown")], "UNCERTAIN", "CREATED", set()),
    ("not sent, to be sent again", "sale", [("answered", "not_sent")], "SENT", "CREATED", set()),
    ("our key is refused until the limit", "sale", [("answered", "not_sent"), ("closed", "not_sent_limit", False)],
     "ABANDONED", "REQUIRES_PAYMENT_METHOD", set()),
    ("withdrawn before it was sent", "sale", [("closed", "withdrawn", False)],
     "ABANDONED", "REQUIRES_PAYMENT_METHOD", set()),
    ("closed though it may have been sent", "sale", [("answered", "unknown"), ("closed", "withdrawn", True)],
     "IN_REVIEW", "CREATED", {"closed_in_doubt"}),
    ("closed though the processor took it", "refund", [("answered", "accepted"), ("closed", "not_sent_limit", True)],
     "IN_REVIEW", "CAPTURED", {"closed_in_doubt"}),
    ("shown once, not found later: nobody knows", "refund",
     [("answered", "unknown"), ("told", "pending"), ("closed", "not_found", True)],
     "IN_REVIEW", "CAPTURED", {"closed_in_doubt"}),
    ("shown before our call was lost, not found later", "refund",
     [("told", "pending"), ("answered", "unknown"), ("closed", "not_found", True)],
     "IN_REVIEW", "CAPTURED", {"closed_in_doubt"}),
    ("a hold that was shown once and is not found later", "authorize",
     [("answered", "unknown"), ("told", "pending"), ("closed", "not_found", True)],
     "IN_REVIEW", "CREATED", {"closed_in_doubt"}),
    ("a capture that was shown once and is not found later", "capture",
     [("answered", "unknown"), ("told", "pending"), ("closed", "not_found", True)],
     "IN_REVIEW", "AUTHORIZED", {"closed_in_doubt"}),
    ("shown although it is called never sent", "refund",
     [("told", "pending"), ("answered", "not_sent"), ("closed", "withdrawn", False)],
     "IN_REVIEW", "CAPTURED", {"closed_in_doubt"}),
    ("shown after it was given up for not found", "refund",
     [("answered", "unknown"), ("told", "pending"), ("closed", "not_found", True),
      ("told", "succeeded", {"object_version": 2})], "SUCCEEDED", "CAPTURED", {"closed_in_doubt"}),
    ("never shown and not found", "refund", [("answered", "unknown"), ("closed", "not_found", True)],
     "ABANDONED", "CAPTURED", set()),
    ("a later send is not sent, the doubt stays", "capture", [("answered", "unknown"), ("answered", "not_sent")],
     "UNCERTAIN", "AUTHORIZED", set()),
    ("declined by word", "capture", [("answered", "declined")], "DECLINED", "AUTHORIZED", set()),
    ("declined after doubt", "refund", [("answered", "unknown"), ("answered", "declined")],
     "DECLINED", "CAPTURED", set()),
    ("accepted", "refund", [("answered", "accepted", "pending")], "PENDING", "CAPTURED", set()),
    ("doubt, then accepted, then done", "refund",
     [("answered", "unknown"), ("looked_up", "found", "pending"), ("looked_up", "found", "succeeded", {"object_version": 2})],
     "SUCCEEDED", "CAPTURED", set()),
    ("done by word alone", "refund", [("answered", "done")], "IN_REVIEW", "CAPTURED", {"decided_without_proof"}),
    ("found by word alone", "capture", [("answered", "unknown"), ("looked_up", "found")],
     "IN_REVIEW", "AUTHORIZED", {"decided_without_proof"}),
    ("a look-up that finds nothing proves nothing", "capture", [("answered", "unknown"), ("looked_up", "not_found")],
     "UNCERTAIN", "AUTHORIZED", set()),
    ("a look-up that reaches nobody", "capture", [("answered", "unknown"), ("looked_up", "unreachable")],
     "UNCERTAIN", "AUTHORIZED", set()),
    ("a look-up with another amount", "capture", [("answered", "unknown"), ("looked_up", "found", "succeeded", {"amount_minor": 60})],
     "IN_REVIEW", "AUTHORIZED", {"echo_mismatch", "stray_found"}),
    ("a look-up in another currency", "capture", [("answered", "unknown"), ("looked_up", "found", "succeeded", {"currency": "USD"})],
     "IN_REVIEW", "AUTHORIZED", {"echo_mismatch", "stray_found"}),
    ("the hold of a cancel is still there", "cancel", [("answered", "unknown"), ("looked_up", "not_found", "authorized")],
     "UNCERTAIN", "AUTHORIZED", set()),
    ("the hold of a cancel is gone", "cancel", [("answered", "unknown"), ("looked_up", "found", "voided")],
     "SUCCEEDED", "CANCELED", set()),
    ("a cancel that was never sent", "cancel", [("closed", "not_sent_limit", False)], "ABANDONED", "AUTHORIZED", set()),
    ("the ladder's end", "sale", [("answered", "unknown"), ("exhausted",)], "IN_REVIEW", "CREATED", {"ladder_exhausted"}),
    ("the ladder's end of a cancel", "cancel", [("answered", "unknown"), ("exhausted",)],
     "IN_REVIEW", "AUTHORIZED", {"ladder_exhausted"}),
    ("found after the ladder's end", "capture", [("answered", "unknown"), ("exhausted",), ("looked_up", "found", "succeeded")],
     "SUCCEEDED", "CAPTURED", {"ladder_exhausted"}),
    ("our own decision comes back", "capture", [("answered", "unknown"), ("closed", "decided", True)],
     "UNCERTAIN", "AUTHORIZED", set()),
]  # fmt: skip


def play(desk: Desk, reports: list[tuple[Any, ...]]) -> None:
    for name, *words in reports:
        changes = words.pop() if words and isinstance(words[-1], dict) else {}
        if name == "exhausted":
            desk.exhausted()
        elif name == "told":
            desk.tell(desk.fact(words[0], **changes))
        elif name == "closed":
            desk.closed(words[0], ever_sent=words[1])
        else:
            facts = [desk.fact(words[1], **changes)] if len(words) > 1 else []
            open_still = words[0] in {"unknown", "accepted", "not_sent", "not_found", "unreachable"}
            pending = len(words) > 1 and words[1] == "pending"
            getattr(desk, name)(words[0], *facts, at=LATER if open_still or pending else None)


@pytest.mark.parametrize(
    ("kind", "reports", "state", "status", "cases"),
    [row[1:] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_what_is_reported_means(
    kind: str, reports: list[tuple[Any, ...]], state: str, status: str, cases: set[str]
) -> None:
    desk = Desk(kind)
    play(desk, reports)
    assert (desk.operation.state, desk.payment.status, desk.cases()) == (state, status, cases)
    uncertain = [event for _, event in desk.unit.events if isinstance(event, OperationUncertain)]
    resolved = [event for _, event in desk.unit.events if isinstance(event, OperationResolved)]
    final = not desk.operation.undecided
    assert len(resolved) == (len(uncertain) if final else 0)
    if desk.operation.state == "IN_REVIEW" and kind != "refund":
        with pytest.raises(Rejected, match="operation_in_doubt"):
            cancel_payment(CancelPayment(**WHO, payment_id=desk.payment.payment_id), desk.unit)


def test_the_last_abandoned_authorize_fails_the_payment() -> None:
    desk = Desk("sale", max_attempts=1)
    desk.closed("not_sent_limit", ever_sent=False)
    assert desk.payment.status == "FAILED"


def test_a_case_of_the_ladders_end_names_the_money() -> None:
    desk = Desk("capture")
    desk.answered("unknown", at=LATER)
    desk.exhausted()
    opened = [event for _, event in desk.unit.events if getattr(event, "reason", "") == "ladder_exhausted"]
    assert [(event.exposure_minor, event.currency) for event in opened] == [(6_000, "EUR")]  # type: ignore[union-attr]


def test_an_answer_after_other_evidence_has_decided_changes_nothing() -> None:
    desk = Desk("capture")
    desk.answered("unknown", at=LATER)
    desk.tell(desk.fact("succeeded"))
    before = (desk.operation.state, len(desk.unit.events), desk.payment.amounts)
    for result in ("done", "declined", "accepted", "unknown", "not_sent"):
        desk.answered(result)
    assert (desk.operation.state, len(desk.unit.events), desk.payment.amounts) == before
    assert desk.commands() == ["OperationDecided"]


def test_a_report_that_promises_another_look_at_what_is_decided_is_told_to_stop() -> None:
    """A sale whose hold was voided took nothing; the processor service still waits for its capture."""
    desk = Desk("sale")
    desk.looked_up("found", desk.fact("voided", object_version=2), at=LATER)
    assert desk.operation.state == "DECLINED"
    assert desk.commands() == ["OperationDecided"]


def test_doubt_is_resolved_before_the_money_is_counted() -> None:
    desk = Desk("sale")
    desk.answered("unknown", at=LATER)
    desk.tell(captured(desk.payment, first_operation(desk.payment)))
    kinds = [type(event).__name__ for _, event in desk.unit.events]
    assert kinds.index("OperationResolved") < kinds.index("PaymentCaptured")


@pytest.mark.parametrize("kind", ["sale", "capture", "cancel", "refund"])
def test_the_ladders_end_is_a_case_and_a_dead_letter_of_one_transaction(kind: str) -> None:
    desk = Desk(kind)
    desk.answered("unknown", at=LATER)
    assert not desk.unit.dead_letters
    desk.exhausted()
    desk.exhausted()
    (letter,) = desk.unit.dead_letters
    (case,) = [event for _, event in desk.unit.events if isinstance(event, CaseOpened)]
    assert (letter.case_id, letter.reason) == (case.case_id, "ladder_exhausted")
    assert letter.operation_id == desk.operation.operation_id
    assert letter.exposure_minor == case.exposure_minor == desk.operation.amount_minor


@pytest.mark.parametrize("status", ["failed", "succeeded"])
def test_at_a_processor_without_keys_a_refund_that_it_showed_keeps_its_room_though_its_list_shows_none(
    status: str,
) -> None:
    desk = Desk("refund", route="beta", accounts={"beta": "acct_beta"})
    assert desk.operation.processor == "beta"
    desk.answered("unknown", at=LATER)
    desk.tell(desk.fact("pending", object_version=None))
    desk.closed("not_found", ever_sent=True)
    assert (desk.operation.state, desk.payment.amounts.refund_reserved_minor) == ("IN_REVIEW", 4_000)
    desk.tell(desk.fact(status, object_version=None, occurred_at=LATER))
    assert desk.operation.state == {"failed": "DECLINED", "succeeded": "SUCCEEDED"}[status]
    amounts = desk.payment.amounts
    assert amounts.refund_reserved_minor == amounts.refunded_adopted_minor == 0
    assert amounts.refunded_minor == {"failed": 0, "succeeded": 4_000}[status]
