"""How the payment machine's operations live: asked for, answered word by word, and what their objects say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from services.payment.app.apply_fact import apply_fact
from services.payment.domain.answering import note_closed, note_sent, settle_answer
from services.payment.domain.changes import Moment
from services.payment.domain.operations import Operation
from services.payment.domain.payment import Payment
from services.payment.domain.status import Source
from services.payment.tests.machine_words import AMOUNTS, DRIFTS, KINDS, LIVES, MADE_BY, PARENTS, SAID
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.promises import Promises
from services.payment.tests.world import fact, there, told
from shared.kernel.errors import Rejected


def newest(payment: Payment) -> Operation:
    """The operation asked for last; there is always one here."""
    assert payment.latest_operation is not None
    return payment.latest_operation


class Lives(Promises):
    """What rules have in common: a command, an operation's life, the next word of an object."""

    def command(self, do: Any, wanted: Any) -> None:
        try:
            do(wanted, self.unit)
        except Rejected:
            assert not self.payment.changes.dirty
        self.unit.commit()

    def command_and_live(self, do: Any, wanted: Any, life: str, drift: int) -> None:
        before = set(self.payment.operations)
        self.command(do, wanted)
        for operation_id in set(self.payment.operations) - before:
            self.live(self.payment.operations[operation_id], life, drift)

    def capture_there_is(self) -> str:
        """A capture that counts or strays, so that what is told of it has something to act on."""
        taken = [t for t in self.payment.objects.values() if t.object_type == "capture"]
        return max((t.role != "seen", t.object_id) for t in taken)[1] if taken else "cap_1"

    def tell_anew(self, kind: str, object_id: str, status: str, **said: Any) -> None:
        """The object's next version, whatever is known of it."""
        known = self.payment.objects.get((*there(self.payment).values(), object_id))
        values = {"object_version": known.version + 1, "amount_minor": known.amount_minor} if known else {}
        values |= {"payment_id": self.payment.payment_id, "object_type": kind, "object_id": object_id}
        apply_fact(told(fact(**(there(self.payment) | values | said), status=status)), self.unit)
        self.unit.commit()

    def live(self, operation: Operation, life: str, drift: int = 0) -> None:
        for word in life.split():
            moment = Moment(now=self.unit.now, cause_id="e", ids=self.unit.ids, source=Source.REPLY)
            if word == "sent":
                note_sent(self.payment, operation, moment)
            elif word == "gone":
                note_closed(self.payment, operation, "not_found", moment, ever_sent=True)
            elif word in {"succeeds", "fails"} and operation.type in MADE_BY:
                self.show_object(operation, word, drift)
            else:
                said = replace(SAID, result="done" if word == "succeeds" else word)
                settle_answer(self.payment, operation, said, moment)
            self.unit.commit()

    def show_object(self, operation: Operation, word: str, drift: int) -> None:
        kind, *words = MADE_BY[operation.type]
        stray = self.payment.strays.get(operation.stray_id or "")
        parents = {
            "capture": self.payment.authorization_id or "auth_1",
            "refund": stray.object_id if stray else self.capture_there_is(),
        }
        self.tell_anew(
            kind,
            f"{KINDS[kind]}_{operation.number}",
            words[word == "fails"],
            reference=operation.operation_id,
            amount_minor=max(operation.amount_minor + drift, 1),
            currency=stray.currency if stray else self.payment.currency,
            parent_type=PARENTS.get(kind, (None, None))[0],
            parent_id=parents.get(kind),
        )

    def undecided(self, pick: int) -> Operation:
        """An operation on its way, or the newest where there is none."""
        open_ = [o for o in self.payment.operations.values() if o.undecided and o.stray_id is None]
        return open_[pick % len(open_)] if open_ else newest(self.payment)

    def roll_back(self, before: MemoryUnit) -> None:
        self.unit = before
        self.payment = before.payments.rows[self.payment.payment_id]

    @rule(life=LIVES, drift=DRIFTS, pick=st.integers(0, 5))
    def live_through(self, life: str, drift: int, pick: int) -> None:
        """An operation on its way meets one word of its processor after another, at times not as asked."""
        open_ = [o for o in self.payment.operations.values() if o.undecided]
        if open_:
            self.live(open_[pick % len(open_)], life, drift)

    @rule(pick=st.integers(0, 3), number=st.integers(1, 3), amount=st.none() | AMOUNTS, ours=st.booleans())
    def take_money_of_a_hold(self, pick: int, number: int, amount: int | None, ours: bool) -> None:
        """Sales take under the hold's own reference; others take without one."""
        holds = [t for t in self.payment.objects.values() if t.object_type == "authorization"]
        if pick < len(holds):
            self.tell_anew(
                "capture",
                f"cap_{number}",
                "succeeded",
                reference=holds[pick].operation_id if ours else None,
                amount_minor=amount or holds[pick].amount_minor,
                parent_type="authorization",
                parent_id=holds[pick].object_id,
            )

    @rule(pick=st.integers(0, 5), better=st.booleans())
    def change_its_mind(self, pick: int, better: bool) -> None:
        """What succeeded has failed after all, or the other way round."""
        known = [t for t in self.payment.objects.values() if t.object_type in {"capture", "refund"}]
        if pick < len(known):
            thing = known[pick]
            self.tell_anew(
                thing.object_type.value,
                thing.object_id,
                "succeeded" if better else "failed",
                reference=thing.operation_id,
                parent_type=PARENTS[thing.object_type.value][0],
                parent_id=thing.parent_id,
                currency=thing.currency,
            )
