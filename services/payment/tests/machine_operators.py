"""What operators do in the payment machine: strays returned, accepted or corrected, reviews decided."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from services.payment.app.apply_fact import apply_fact
from services.payment.app.settle_counted import settle_counted
from services.payment.domain.changes import Moment
from services.payment.domain.correcting_strays import correct
from services.payment.domain.deciding import give_up
from services.payment.domain.operations import ANSWERS, OperationState, OperationType
from services.payment.domain.operator_facts import proof_of_success, would_decide
from services.payment.domain.resolving_strays import accept, request_return, request_void
from services.payment.domain.status import Source
from services.payment.tests.machine_lives import Lives
from services.payment.tests.machine_words import AMOUNTS, DRIFTS, LIVES
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import fact, there, told
from shared.kernel.errors import Rejected


class Operators(Lives):
    """People at their desk, at any moment of a payment's life."""

    @rule(action=st.sampled_from((None, None, accept)), pick=st.integers(0, 3), life=LIVES, drift=DRIFTS)
    def resolve_a_stray(self, action: Any, pick: int, life: str, drift: int) -> None:
        strays = list(self.payment.strays.values())
        if pick < len(strays):
            stray = strays[pick]
            moment = Moment(now=self.unit.now, cause_id="dec", ids=self.unit.ids, source=Source.OPERATOR)
            do = action or (request_void if stray.kind == "hold" else request_return)

            def resolve(it: Any, unit: MemoryUnit) -> None:
                counted_before = self.payment.captures_counted
                do(self.payment, it, moment)
                settle_counted(self.payment, counted_before, moment, unit)

            self.command_and_live(resolve, stray, life, drift)

    @rule(pick=st.integers(0, 2), said=st.sampled_from(("as asked", "as before")) | AMOUNTS)
    def correct_a_stray(self, pick: int, said: str | int) -> None:
        """Evidence of its object is believed: that it is what was asked for, something else, or the lie again."""
        strays = [stray for stray in self.payment.strays.values() if stray.mismatch and not stray.released]
        if pick >= len(strays):
            return
        stray = strays[pick]
        asked = self.payment.operations.get(stray.operation_id or "")
        amounts = {
            "as asked": asked.amount_minor if asked else stray.amount_minor,
            "as before": stray.amount_minor,
        }
        thing = self.payment.objects[stray.processor, stray.account, stray.object_id]
        truth = fact(
            **there(self.payment),
            object_type=stray.object_type,
            object_id=stray.object_id,
            status="authorized" if stray.kind == "hold" else "succeeded",
            amount_minor=max(amounts[said] if isinstance(said, str) else said, 1),
            currency=stray.currency if said == "as before" else self.payment.currency,
            payment_id=self.payment.payment_id,
            parent_id=thing.parent_id,
        )
        moment = Moment(now=self.unit.now, cause_id="dec", ids=self.unit.ids, source=Source.OPERATOR)
        before = deepcopy(self.unit)
        counted_before = self.payment.captures_counted
        try:
            correct(self.payment, stray, truth, moment, by="bob")
            settle_counted(self.payment, counted_before, moment, self.unit)
            self.seen["stray:corrected"] += 1
            if asked is not None and asked.type is OperationType.STRAY_RETURN:
                self.seen["stray_return:corrected"] += 1
        except Rejected:
            self.roll_back(before)
            return
        self.unit.commit()

    @rule(succeeded=st.booleans(), object_id=st.sampled_from(("cap_1", "ref_1", "auth_1", "op_object", None)))
    def decide_what_is_in_review(self, succeeded: bool, object_id: str | None) -> None:
        operation = next((o for o in self.payment.operations.values() if o.state == "IN_REVIEW"), None)
        if operation is None:
            return
        moment = Moment(now=self.unit.now, cause_id="dec", ids=self.unit.ids, source=Source.OPERATOR)
        if not succeeded:
            give_up(self.payment, operation, OperationState.DECLINED, moment)
            assert operation.state is OperationState.DECLINED
        elif operation.type in ANSWERS:
            self.payment.advance(operation, OperationState.SUCCEEDED, moment)
        else:
            try:
                proof = proof_of_success(self.payment, operation, object_id, "e", self.unit.now)
            except Rejected:
                return
            foreseen = would_decide(self.payment, operation, proof, moment)
            before = deepcopy(self.unit)
            apply_fact(told(proof, Source.OPERATOR), self.unit)
            assert foreseen == (not operation.undecided or operation.type is OperationType.CANCEL)
            if operation.undecided and operation.type is not OperationType.CANCEL:
                # Evidence that decides nothing is refused, and its transaction rolled back.
                self.roll_back(before)
                return
        self.unit.commit()
