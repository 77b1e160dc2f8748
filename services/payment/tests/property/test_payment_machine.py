"""Any mixture of commands, answers and facts keeps the payment's promises."""

from __future__ import annotations

import logging
import os
import random
from collections import Counter
from dataclasses import replace

from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test

from services.payment.app.answer_dispute import AnswerDispute, answer_dispute
from services.payment.app.apply_attempt_closed import ApplyAttemptClosed, apply_attempt_closed
from services.payment.app.apply_fact import apply_fact
from services.payment.app.apply_settlement_line import apply_settlement_line
from services.payment.app.cancel_payment import CancelPayment, cancel_payment
from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.confirm_payment import ConfirmPayment, confirm_payment
from services.payment.app.create_payment import create_payment
from services.payment.app.refund_payment import RefundPayment, refund_payment
from services.payment.domain.answering import note_sent, settle_answer
from services.payment.domain.changes import Moment
from services.payment.domain.operations import OperationState
from services.payment.domain.status import CaptureMethod, Source, Status
from services.payment.tests.machine_lives import newest
from services.payment.tests.machine_operators import Operators
from services.payment.tests.machine_words import (
    AMOUNTS,
    DRIFTS,
    FACTS,
    KINDS,
    LIVES,
    PARENTS,
    ROWS,
    SAID,
    STATUSES,
)
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.promises import Promises
from services.payment.tests.settlement import line_of
from services.payment.tests.world import (
    MERCHANT,
    authorized,
    captured,
    disputed,
    fact,
    money_row,
    there,
    told,
    wish,
)

STEPS_USUAL = 10_000
STEPS = int(os.environ.get("TIEOUT_MACHINE_STEPS", STEPS_USUAL))
"""How many steps in all; ``make deep`` takes ten times as many."""
STEPS_MAX = max(3 * STEPS, 300_000)
"""So many at most until everything was reached that must be: the rarest of it comes once in some 20,000 steps."""
STEPS_PER_PAYMENT = 25
PAYMENTS_PER_ROUND = 50
WHO = {"merchant_id": MERCHANT, "mode": "test", "request_id": "r"}


#: Of the second a hold is captured once.
PLACES = (("alpha", "acct_alpha"), ("beta", "acct_beta"))
BEGINNINGS = ("new", "held", "taken in part", "captured", "captured and astray")


class PaymentMachine(Operators):
    """One payment, everybody talking at once."""

    @initialize(
        method=st.sampled_from(CaptureMethod),
        attempts=st.integers(1, 3),
        begin=st.sampled_from(BEGINNINGS),
        place=st.sampled_from(PLACES),
    )
    def create(self, method: CaptureMethod, attempts: int, begin: str, place: tuple[str, str]) -> None:
        """Many payments have come some way already, or most would die young and never see money."""
        self.unit = MemoryUnit()
        processor, account = place
        wanted = wish(capture_method=method, max_attempts=attempts, processor=processor, account=account)
        self.payment = create_payment(wanted, self.unit)
        self.unit.commit()
        self.come_some_way(method, begin)

    def come_some_way(self, method: CaptureMethod, begin: str) -> None:
        if begin == "new":
            return
        apply_fact(told(authorized(self.payment, object_id="auth_1")), self.unit)
        self.unit.commit()
        part = 4_000 if begin == "taken in part" else None
        if begin == "held" or (part and method is CaptureMethod.AUTOMATIC):
            return
        if method is CaptureMethod.MANUAL:
            wanted = CapturePayment(
                **WHO, payment_id=self.payment.payment_id, amount_minor=part, final=not part
            )
            self.command(capture_payment, wanted)
        taking = newest(self.payment)
        taken = captured(
            self.payment, taking.operation_id, object_id="cap_1", amount_minor=taking.amount_minor
        )
        apply_fact(told(taken), self.unit)
        self.unit.commit()
        if begin == "captured and astray":
            self.tell_anew(
                "capture",
                "cap_2",
                "succeeded",
                amount_minor=3_000,
                parent_type="authorization",
                parent_id="auth_9",
            )

    @rule(life=LIVES, drift=DRIFTS)
    def confirm(self, life: str, drift: int) -> None:
        wanted = ConfirmPayment(**WHO, payment_id=self.payment.payment_id, payment_method="pm_2")
        self.command_and_live(confirm_payment, wanted, life, drift)

    @rule(amount=st.none() | AMOUNTS, final=st.none() | st.booleans(), life=LIVES, drift=DRIFTS)
    def capture(self, amount: int | None, final: bool | None, life: str, drift: int) -> None:
        wanted = CapturePayment(**WHO, payment_id=self.payment.payment_id, amount_minor=amount, final=final)
        self.command_and_live(capture_payment, wanted, life, drift)

    @rule(life=LIVES)
    def cancel(self, life: str) -> None:
        wanted = CancelPayment(**WHO, payment_id=self.payment.payment_id)
        self.command_and_live(cancel_payment, wanted, life, 0)

    @rule(amount=st.none() | AMOUNTS, life=LIVES, drift=DRIFTS)
    def refund(self, amount: int | None, life: str, drift: int) -> None:
        wanted = RefundPayment(**WHO, payment_id=self.payment.payment_id, amount_minor=amount)
        self.command_and_live(refund_payment, wanted, life, drift)

    @rule(
        what=FACTS,
        number=st.integers(1, 3),
        parent=st.integers(1, 3),
        version=st.integers(1, 4),
        pick=st.integers(0, 5),
        amount=st.none() | AMOUNTS,
        source=st.sampled_from((Source.WEBHOOK, Source.POLL, Source.FEED)),
    )
    def tell(
        self,
        what: tuple[str, str],
        number: int,
        parent: int,
        version: int,
        pick: int,
        amount: int | None,
        source: Source,
    ) -> None:
        kind, status = what
        known = sorted(self.payment.operations.values(), key=lambda operation: operation.number)
        operation = known[pick] if pick < len(known) else None
        parent_type, prefix = PARENTS.get(kind, (None, None))
        said = fact(
            **there(self.payment),
            object_type=kind,
            object_id=f"{KINDS[kind]}_{number}",
            status=status,
            object_version=version,
            amount_minor=amount or (operation.amount_minor if operation else 0) or 10_000,
            payment_id=self.payment.payment_id,
            reference=operation.operation_id if operation else None,
            parent_type=parent_type,
            parent_id=f"{prefix}_{parent}" if prefix else None,
        )
        apply_fact(told(said, source), self.unit)
        self.unit.commit()

    @rule(
        what=ROWS,
        number=st.integers(1, 2),
        parent=st.integers(1, 3),
        row=st.integers(1, 6),
        amount=AMOUNTS,
        currency=st.sampled_from(("EUR", "EUR", "EUR", "USD")),
    )
    def move_money(
        self, what: tuple[str, str], number: int, parent: int, row: int, amount: int, currency: str
    ) -> None:
        kind, status = what
        said = money_row(
            self.payment,
            kind,
            status,
            amount,
            f"row_{row}",
            object_id=f"{KINDS[kind]}_{number}",
            parent_id=f"cap_{parent}",
            currency=currency,
        )
        apply_fact(told(said), self.unit)
        self.unit.commit()

    @rule()
    def settle(self) -> None:
        """The lines of closed payouts say of every capture what it is, whether it counts already or not."""
        captures = [thing for thing in self.payment.objects.values() if thing.object_type == "capture"]
        for number, thing in enumerate(captures):
            line_id = f"whole {number}"
            stands = self.unit.settlement.get(("alpha_payouts", line_id))
            said = {
                "object_id": thing.object_id,
                "processor": thing.processor,
                "account": thing.account,
                "gross_minor": thing.amount_minor,
                "currency": thing.currency,
                "revision": stands.revision + 1 if stands else 1,
            }
            apply_settlement_line(line_of(self.payment, line_id, **said), "evt_line", self.unit)
            self.unit.commit()

    @invariant()
    def what_is_settled_is_what_the_lines_say(self) -> None:
        gross_minor: Counter[tuple[str, str, str]] = Counter()
        for line in self.unit.settlement.of_payment(self.payment.payment_id):
            if line.category == "charge" and line.currency == self.payment.currency:
                gross_minor[line.object_key] += line.gross_minor
        taken = [
            thing
            for thing in self.payment.objects.values()
            if thing.object_type == "capture" and thing.role in {"counted", "adopted"}
        ]
        assert [t.settled for t in taken] == [gross_minor[t.key] >= t.counted_minor for t in taken]
        assert self.payment.amounts.settled_minor == max(0, sum(gross_minor[t.key] for t in taken))

    @rule(status=st.sampled_from(STATUSES["dispute"]), number=st.integers(1, 2), amount=AMOUNTS)
    def move_dispute_on(self, status: str, number: int, amount: int) -> None:
        known = self.payment.objects.get((*there(self.payment).values(), f"dsp_{number}"))
        version = known.version + 1 if known else 1
        said = disputed(
            self.payment,
            status,
            version,
            object_id=f"dsp_{number}",
            parent_id=self.capture_there_is(),
            amount_minor=amount,
        )
        apply_fact(told(said), self.unit)
        self.unit.commit()

    @rule(what=ROWS, number=st.integers(1, 2), row=st.integers(7, 99), amount=AMOUNTS)
    def move_money_on(self, what: tuple[str, str], number: int, row: int, amount: int) -> None:
        kind, status = what
        said = money_row(
            self.payment,
            kind,
            status,
            amount,
            f"row_{row}",
            object_id=f"{KINDS[kind]}_{number}",
            parent_id=self.capture_there_is(),
        )
        apply_fact(told(said), self.unit)
        self.unit.commit()

    @rule(accept=st.booleans(), pick=st.integers(0, 1))
    def respond(self, accept: bool, pick: int) -> None:
        ids = sorted(self.payment.disputes)
        if pick >= len(ids):
            return
        documents = None if accept else {"receipt": "file_1"}
        self.command(
            answer_dispute,
            AnswerDispute(
                **WHO, payment_id=self.payment.payment_id, dispute_id=ids[pick], documents=documents
            ),
        )

    @rule(
        result=st.sampled_from(("accepted", "unknown", "unknown", "not_sent", "done", "declined")),
        bad=st.sampled_from((False, False, False, True)),
        pick=st.integers(0, 3),
    )
    def answer(self, result: str, bad: bool, pick: int) -> None:
        operation = self.undecided(pick)
        moment = Moment(now=self.unit.now, cause_id="e", ids=self.unit.ids, source=Source.REPLY)
        said = replace(SAID, result=result, mismatched=bad)
        note_sent(self.payment, operation, moment)
        settle_answer(self.payment, operation, said, moment)
        self.unit.commit()

    @rule(ever_sent=st.booleans(), pick=st.integers(0, 3), reason=st.sampled_from(("withdrawn", "not_found")))
    def close(self, ever_sent: bool, pick: int, reason: str) -> None:
        operation = self.undecided(pick)
        apply_attempt_closed(
            ApplyAttemptClosed(
                payment_id=self.payment.payment_id,
                operation_id=operation.operation_id,
                reason=reason,
                ever_sent=ever_sent,
                cause_id="e",
            ),
            self.unit,
        )
        self.unit.commit()


REACHED = (
    *(f"status:{status}" for status in Status), "CAPTURED:alpha", "CAPTURED:beta", "authorize:SUCCEEDED", "authorize:DECLINED", "capture:SUCCEEDED",
    "refund:REQUESTED", "stray:money", "stray:hold",
)  # fmt: skip
REACHED_DEEP = (
    *(f"{status}:{processor}" for status in Status for processor, _ in PLACES),
    *(f"{kind}:{state}" for kind in ("authorize", "capture", "refund") for state in OperationState),
    "cancel:SUCCEEDED", "dispute_evidence:SUCCEEDED", "dispute_accept:SUCCEEDED", "stray:refund",
    "stray_return:SUCCEEDED", "stray_return:FAILED_LATER", "stray_void:SUCCEEDED", "stray:corrected",
    "stray_return:corrected",
)  # fmt: skip


def test_a_payment_keeps_its_promises_whoever_talks_in_which_order() -> None:
    """Rounds of fresh seeds: one long round mutates what it has and sees less. The same rounds in every usual run.

    What such a run must reach may take more steps than were asked for, up to a bound.
    """
    Promises.seen.clear()
    deep = STEPS > STEPS_USUAL
    chance = random.Random(None if deep else "payment machine")  # noqa: S311
    plan = settings(
        max_examples=PAYMENTS_PER_ROUND, stateful_step_count=STEPS_PER_PAYMENT, deadline=None, database=None
    )
    wanted = (*REACHED, *REACHED_DEEP) if deep else REACHED

    def missing() -> list[str]:
        return [name for name in wanted if not Promises.seen[name]]

    while (steps := Promises.seen["steps"]) < STEPS or (missing() and steps < STEPS_MAX):
        seed(chance.randrange(2**32))(PaymentMachine)
        run_state_machine_as_test(PaymentMachine, settings=plan)
    logging.getLogger(__name__).info("payment machine: %d steps", Promises.seen["steps"])
    assert missing() == []
