"""Whatever people do to adjustments in whatever order: two of them per journal, the floor holds, one reversal each."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.ledger.app.adjust_books import (
    approve_adjustment,
    propose_adjustment,
    propose_reversal,
    reject_adjustment,
)
from services.ledger.domain.adjustments import Adjustment, Proposed
from services.ledger.domain.chart import Side
from services.ledger.tests.payloads import NOW
from shared.kernel.decisions import DecisionState
from shared.kernel.errors import Rejected
from shared.kernel.ids import UlidIds
from shared.kernel.operators import Actor

MERCHANT = "mer_" + "7" * 26
PEOPLE = st.sampled_from(["ada", "bob"])
#: Which of those that were made; a number beyond them means the last.
WHICH = st.integers(0, 15)


class Memory:
    """A unit of work in memory, one step at a time."""

    def __init__(self):
        self.now, self.ids = NOW, UlidIds()
        self.made, self.booked, self.acts = {}, [], []
        self.adjustments = self.journals = self.periods = self

    def get(self, adjustment_id, *, locked=False):  # noqa: ARG002
        return self.made.get(adjustment_id)

    def decide(self, decided):
        self.made[decided.adjustment_id] = decided

    def reversal_of(self, adjustment_id):
        return next(
            (
                each.adjustment_id
                for each in self.made.values()
                if each.reverses_adjustment_id == adjustment_id and each.state is not DecisionState.REJECTED
            ),
            None,
        )

    def currencies_held(self, kind, owner):  # noqa: ARG002
        return {"EUR"}

    def take_turns(self, names):
        pass

    def opens_at(self):
        return None

    def available_minor(self, account):
        return sum(
            entry.amount_minor if entry.side is Side.CREDIT else -entry.amount_minor
            for journal in self.booked
            for entry in journal.entries
            if entry.account == account
        )

    def acted(self, act):
        self.acts.append(act.action)
        return self.ids.new("evt_")

    def load_amended(self, facts):
        pass

    def find_fact(self, rule, fact_key):
        return next((j for j in self.booked if (j.rule, j.fact_key) == (rule, fact_key)), None)

    def announce_decision(self, decided, cause_event_id):
        assert decided.state is not DecisionState.PROPOSED
        assert cause_event_id

    def add(self, *arguments, by=None, at=None):
        """Journals and proposals come by the same name."""
        if by is None:
            self.booked.append(arguments[0])
            return
        adjustment_id, proposed = arguments
        fields = {name: getattr(proposed, name) for name in Proposed.__slots__}
        self.made[adjustment_id] = Adjustment(
            **fields,
            adjustment_id=adjustment_id,
            state=DecisionState.PROPOSED,
            proposed_by=by,
            proposed_at=at,
        )


class Adjusting(RuleBasedStateMachine):
    """Credits, payouts, decisions and reversals."""

    def __init__(self):
        super().__init__()
        self.work = Memory()

    def _try(self, use_case, *arguments):
        before = dict(self.work.made), len(self.work.booked)
        try:
            return use_case(*arguments, self.work)
        except Rejected:
            assert (dict(self.work.made), len(self.work.booked)) == before
            return None

    def _id(self, which):
        ids = list(self.work.made)
        return ids[min(which, len(ids) - 1)] if ids else "adj_none"

    @rule(
        amount=st.integers(-1, 50),
        template=st.sampled_from(["merchant_credit", "merchant_payout"]),
        who=PEOPLE,
    )
    def propose(self, amount, template, who):
        parameters = {"merchant_id": MERCHANT}
        if template == "merchant_payout":
            parameters["bank_account"] = "main_eur"
        wanted = Proposed(
            template=template, parameters=parameters, amount_minor=amount, currency="EUR", reason="r",
            attachment="a",
        )  # fmt: skip
        made = self._try(propose_adjustment, wanted, Actor(name=who, role="operator"))
        assert (made is not None) is (amount > 0)

    @rule(which=WHICH, who=PEOPLE)
    def approve(self, which, who):
        done = self._try(approve_adjustment, self._id(which), "r", Actor(name=who, role="approver"))
        if done is not None and done.template == "merchant_payout" and done.reverses_adjustment_id is None:
            assert self._available() >= 0

    @rule(which=WHICH, who=PEOPLE)
    def reject(self, which, who):
        self._try(reject_adjustment, self._id(which), "r", Actor(name=who, role="operator"))

    @rule(which=WHICH, who=PEOPLE)
    def reverse(self, which, who):
        self._try(propose_reversal, self._id(which), "r", "a", Actor(name=who, role="operator"))

    def _available(self):
        return self.work.available_minor(("merchant_available", MERCHANT, "EUR"))

    @invariant()
    def every_journal_has_two_people_and_at_most_one_reversal(self):
        approved = [each for each in self.work.made.values() if each.state is DecisionState.APPROVED]
        assert all(each.decided_by != each.proposed_by for each in approved)
        assert sorted(each.journal_id for each in approved) == sorted(j.journal_id for j in self.work.booked)
        reversed_ids = [j.reverses_journal_id for j in self.work.booked if j.reverses_journal_id]
        assert len(set(reversed_ids)) == len(reversed_ids)
        standing = [
            j for j in self.work.booked if j.reverses_journal_id is None and j.journal_id not in reversed_ids
        ]
        signs = {"adjustment:merchant_credit": 1, "adjustment:merchant_payout": -1}
        assert self._available() == sum(signs[j.rule] * j.amount_minor for j in standing)


TestAdjusting = Adjusting.TestCase
