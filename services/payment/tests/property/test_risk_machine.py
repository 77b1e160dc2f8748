"""Decisions, deadlines, people, merchants and facts in any order: nothing is sent twice, and nothing that was refused."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.payment.app.apply_fact import apply_fact
from services.payment.app.apply_risk_decided import ApplyRiskDecided, apply_risk_decided
from services.payment.app.cancel_payment import CancelPayment, cancel_payment
from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.confirm_payment import ConfirmPayment, confirm_payment
from services.payment.app.create_payment import create_payment
from services.payment.app.expire_risk_checks import ExpireRiskChecks, expire_risk_checks
from services.payment.app.resolve_risk_review import ResolveRiskReview, resolve_risk_review
from services.payment.domain.commands import CapturePayment as AskToCapture
from services.payment.domain.holding import refused
from services.payment.domain.operations import OperationState, OperationType
from services.payment.domain.risk_states import NEVER_SENT, UNSENT, RiskState, RiskTerms
from services.payment.domain.status import CaptureMethod, Status
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import MERCHANT, fact, told, wish
from shared.kernel.errors import Rejected

WHO = {"merchant_id": MERCHANT, "mode": "test", "request_id": "r"}
KINDS = ("authorize", "sale", "capture")
VERDICTS = st.sampled_from(("allow", "review", "block"))
STATUSES = {
    "authorization": ("authorized", "declined", "voided", "expired"),
    "capture": ("succeeded", "failed"),
}
FACTS = st.sampled_from([(kind, status) for kind, known in STATUSES.items() for status in known])


class RiskMachine(RuleBasedStateMachine):
    """One payment that waits for risk."""

    @initialize(
        method=st.sampled_from(CaptureMethod),
        small=st.sets(st.sampled_from(KINDS)),
        attempts=st.integers(1, 2),
        held=st.booleans(),
    )
    def create(self, method: CaptureMethod, small: set[str], attempts: int, held: bool) -> None:
        self.unit = MemoryUnit()
        self.commands_seen = 0
        self.unit.risk = RiskTerms(
            required=True, small_minor={kind: 10_000 if kind in small else 1 for kind in KINDS}
        )
        self.payment = create_payment(wish(capture_method=method, max_attempts=attempts), self.unit)
        self.unit.commit()
        if held:
            self.decides("allow", 0)
            self.tells("authorization", "authorized", 0, 1, 10_000)
            self.unit.now += timedelta(days=2)

    def attempt(self, do: Any, *words: Any) -> None:
        try:
            do(*words, self.unit)
        except Rejected:
            assert not self.payment.changes.announcements
        self.unit.commit()

    @rule(verdict=VERDICTS, pick=st.integers(0, 5), stale=st.booleans())
    def decide(self, verdict: str, pick: int, stale: bool) -> None:
        self.decides(verdict, pick, stale=stale)

    def decides(self, verdict: str, pick: int, *, stale: bool = False) -> None:
        asked = [o for o in self.payment.operations.values() if o.risk is not None]
        if pick < len(asked):
            version = (asked[pick].risk_version or 0) + (1 if stale else 0)
            command = ApplyRiskDecided(
                payment_id=self.payment.payment_id, operation_id=asked[pick].operation_id,
                payment_version=version, verdict=verdict, cause_id="evt_r",
            )  # fmt: skip
            changed = apply_risk_decided(command, self.unit)
            assert not (stale and changed)
            self.unit.commit()

    @rule(days=st.sampled_from((0, 2)))
    def time_passes(self, days: int) -> None:
        self.unit.now += timedelta(days=days, seconds=1)
        expire_risk_checks(ExpireRiskChecks(), self.unit)
        self.unit.commit()

    @rule(actor=st.sampled_from(("ada", "bob")), approve=st.booleans())
    def person(self, actor: str, approve: bool) -> None:
        operation = self.payment.latest_operation
        assert operation is not None
        word = ResolveRiskReview(
            payment_id=self.payment.payment_id, operation_id=operation.operation_id, approve=approve, actor=actor,
            cause_id="req_o",
        )  # fmt: skip
        self.attempt(resolve_risk_review, word)

    @rule()
    def confirm(self) -> None:
        wanted = ConfirmPayment(**WHO, payment_id=self.payment.payment_id, payment_method="pm_2")
        self.attempt(confirm_payment, wanted)

    @rule(amount=st.sampled_from((None, 4_000)))
    def capture(self, amount: int | None) -> None:
        wanted = CapturePayment(**WHO, payment_id=self.payment.payment_id, amount_minor=amount)
        self.attempt(capture_payment, wanted)

    @rule()
    def cancel(self) -> None:
        self.attempt(cancel_payment, CancelPayment(**WHO, payment_id=self.payment.payment_id))

    @rule(
        what=FACTS,
        pick=st.integers(0, 3),
        version=st.integers(1, 3),
        by_others=st.sampled_from((4_000, 10_000)),
    )
    def tell(self, what: tuple[str, str], pick: int, version: int, by_others: int) -> None:
        self.tells(*what, pick, version, by_others)

    def tells(self, kind: str, status: str, pick: int, version: int, by_others: int) -> None:
        known = sorted(self.payment.operations.values(), key=lambda operation: operation.number)
        operation = known[pick] if pick < len(known) else None
        said = fact(
            object_type=kind, object_id=f"{kind}_1", status=status, object_version=version,
            amount_minor=operation.amount_minor if operation and operation.amount_minor else by_others,
            payment_id=self.payment.payment_id, reference=operation.operation_id if operation else None,
            parent_type="authorization" if kind == "capture" else None,
            parent_id="authorization_1" if kind == "capture" else None,
        )  # fmt: skip
        apply_fact(told(said), self.unit)
        self.unit.commit()

    @invariant()
    def an_operation_is_sent_at_most_once_and_never_unless_it_may(self) -> None:
        asks = [c for c in self.unit.commands if type(c).__name__ in {"AuthorizePayment", "CapturePayment"}]
        sent = Counter(command.operation_id for command in asks)
        assert all(times == 1 for times in sent.values())
        for operation in self.payment.operations.values():
            if operation.risk in NEVER_SENT:
                assert operation.operation_id not in sent
            elif operation.risk in {RiskState.ALLOWED, RiskState.DENIED} and operation.risk_by != "evidence":
                assert operation.operation_id in sent or operation.risk is RiskState.DENIED

    @invariant()
    def what_waits_to_take_of_a_hold_has_one_and_what_goes_out_is_left(self) -> None:
        for operation in self.payment.operations.values():
            if operation.risk in UNSENT and operation.type is OperationType.CAPTURE:
                assert not self.payment.authorization_released
        news, self.commands_seen = self.unit.commands[self.commands_seen :], len(self.unit.commands)
        for command in news:
            if isinstance(command, AskToCapture):
                assert command.amount_minor <= self.payment.amounts.capturable_minor

    @invariant()
    def nobody_is_told_of_what_was_never_sent(self) -> None:
        told_of = {c.operation_id for c in self.unit.commands if type(c).__name__ == "OperationDecided"}
        for operation in self.payment.operations.values():
            assert not (operation.risk in NEVER_SENT and operation.operation_id in told_of)

    @invariant()
    def what_waits_is_requested_and_what_is_reviewed_is_shown(self) -> None:
        states = [o for o in self.payment.operations.values() if o.risk in UNSENT]
        assert all(o.state is OperationState.REQUESTED for o in states)
        reviewed = any(o.risk is RiskState.REVIEW for o in states)
        assert self.payment.hold == ("risk_review" if reviewed else None)

    @invariant()
    def reviewed_money_was_let_go_by_two_people(self) -> None:
        for operation in self.payment.operations.values():
            if (
                operation.risk is RiskState.ALLOWED
                and operation.risk_by == "operator"
                and operation.takes_money
            ):
                assert {operation.risk_proposed_by, operation.risk_approved_by} == {"ada", "bob"}

    @invariant()
    def what_was_denied_is_given_back_or_before_a_person(self) -> None:
        payment = self.payment
        latest = max(refused(payment), key=lambda operation: operation.number, default=None)
        if latest is None or payment.blocking_operation() is not None:
            return
        if payment.amounts.captured_minor:
            told = latest.risk is not RiskState.DENIED and latest.type is not OperationType.CAPTURE
            assert told or f"risk_denied_late:{latest.operation_id}" in payment.case_keys
        elif payment.status is Status.AUTHORIZED and payment.authorization_id is not None:
            assert any(
                o.type is OperationType.CANCEL and o.number > latest.number
                for o in payment.operations.values()
            )

    @invariant()
    def the_dead_hold_nothing(self) -> None:
        if self.payment.status in {Status.FAILED, Status.CANCELED}:
            assert self.payment.amounts.captured_minor == 0
            assert self.payment.blocking_operation() is None or self.payment.strays


TestRiskMachine = RiskMachine.TestCase
TestRiskMachine.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
