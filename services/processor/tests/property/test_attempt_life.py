"""Whatever happens in whatever order: what was given up is not at the processor, and closed stays closed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.processor.domain.attempt import (
    Attempt,
    Closing,
    Phase,
    State,
    decide,
    look_up_now,
    lose_worker,
    record_answer,
    record_look_up,
    take,
    withdraw,
)
from services.processor.domain.operation import Operation
from services.processor.domain.outcome import Answer, Found, LookUp, Result
from services.processor.domain.policy import Policy

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OPERATION = Operation(
    operation_id="op_1", payment_id="pay_1", kind="capture", processor="alpha", account="acct",
    amount_minor=100, currency="EUR", authorization_id="auth_1",
)  # fmt: skip
STEPS = st.sampled_from(
    ["take", "reply", "reply_lost", "refuse", "die", "zombie", "withdraw", "decide", "look_up_now", "wait"]
)


class World:
    """One worker, one attempt, and a processor that really executes (once per key)."""

    def __init__(self, keys_live_s):
        self.policy = Policy(keys_live_s=keys_live_s, ladder_s=(1, 5, 30, 120), visibility_window_s=1)
        self.now = NOW
        self.attempt = Attempt(operation=OPERATION, cause_id="evt", next_at=NOW)
        self.executed = False
        self.executions_without_key = 0
        self.zombies = 0

    def step(self, name):
        before = self.attempt
        getattr(self, name)()
        if before.state is State.CLOSED:
            assert self.attempt.state is State.CLOSED
            assert self.attempt.attempt_number == before.attempt_number, "closed, and yet sent again"
        assert self.attempt.lease_epoch >= before.lease_epoch
        if self.attempt.closing in (Closing.WITHDRAWN, Closing.NOT_SENT_LIMIT):
            assert not self.executed, "told as never sent, but the processor has it"
            assert self.zombies == 0, "a call of ours may still arrive"

    def held(self, phase):
        return self.attempt.lease_owner is not None and self.attempt.phase is phase

    def execute(self):
        if self.executed and not self.policy.keys_live_s:
            self.executions_without_key += 1
        self.executed = True

    def take(self):
        if self.attempt.state is State.OPEN and not self.attempt.held:
            self.now = max(self.now, self.attempt.next_at)
            self.attempt = take(self.attempt, owner="w", attempt_id="att", now=self.now, policy=self.policy)

    def answer(self, result):
        self.attempt = record_answer(
            self.attempt, Answer(result=result), now=self.now, wait_s=0.1, policy=self.policy
        ).attempt

    def reply(self):
        if self.held(Phase.SENDING):
            self.execute()
            self.answer(Result.DONE)
        elif self.held(Phase.LOOKING_UP):
            found = (
                LookUp(found=Found.FOUND, result=Result.DONE)
                if self.executed
                else LookUp(found=Found.NOT_FOUND)
            )
            self.attempt = record_look_up(self.attempt, found, now=self.now, policy=self.policy).attempt

    def reply_lost(self):
        if self.held(Phase.SENDING):
            self.execute()
            self.answer(Result.UNKNOWN)

    def refuse(self):
        if self.held(Phase.SENDING):
            self.answer(Result.NOT_SENT)

    def die(self):
        """The worker vanishes in the middle of a call, which may arrive whenever it likes."""
        if self.attempt.held and self.attempt.state is State.OPEN:
            self.zombies += self.attempt.phase is Phase.SENDING
            self.now = self.attempt.next_at
            self.attempt = lose_worker(self.attempt, now=self.now)

    def zombie(self):
        if self.zombies:
            self.zombies -= 1
            self.execute()

    def withdraw(self):
        self.attempt = withdraw(self.attempt, now=self.now).attempt

    def decide(self):
        self.attempt = decide(self.attempt, now=self.now).attempt

    def look_up_now(self):
        self.attempt = look_up_now(self.attempt, now=self.now, policy=self.policy).attempt

    def wait(self):
        self.now += timedelta(seconds=7)


@settings(max_examples=400, deadline=None)
@given(steps=st.lists(STEPS, max_size=40), keys_live_s=st.sampled_from([0, 86_400]))
def test_what_is_given_up_was_never_executed_and_closed_stays_closed(steps, keys_live_s):
    world = World(keys_live_s)
    for name in steps:
        world.step(name)
    assert world.executions_without_key == 0, "sent twice to a processor that keeps no keys"


@given(epochs=st.integers(1, 5))
def test_each_take_fences_off_every_earlier_one(epochs):
    attempt = Attempt(operation=OPERATION, cause_id="evt", next_at=NOW)
    policy = Policy(keys_live_s=0)
    seen = set()
    for _ in range(epochs):
        attempt = take(attempt, owner="same worker", attempt_id="att", now=NOW, policy=policy)
        seen.add((attempt.lease_owner, attempt.lease_epoch))
        attempt = replace(attempt, lease_owner=None)
    assert len(seen) == epochs
