"""The attempt: one durable row per operation, and every move that it may make.

Open means that a worker may still call the processor for it; closed means that nothing of ours ever will
again. Each send and each look-up first takes the row (``take``), which gives it a new lease epoch; an answer
counts only under the epoch that asked for it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from services.processor.domain.operation import Operation
from services.processor.domain.outcome import Answer, Doubt, Found, LookUp, Result
from services.processor.domain.policy import NOT_FOUND_NEEDED, Policy


class State(StrEnum):
    """Whether anything of ours may still call the processor for this operation."""

    OPEN = "open"
    CLOSED = "closed"


class Phase(StrEnum):
    """What an open attempt does now or next."""

    DUE = "due"
    SENDING = "sending"
    WAITING = "waiting"
    LOOKING_UP = "looking_up"


class Closing(StrEnum):
    """Why an attempt was closed."""

    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"
    NOT_SENT_LIMIT = "not_sent_limit"
    NOT_FOUND = "not_found"
    """Sent to a processor that keeps no keys, and proved absent there: never sent again, and not there."""
    DECIDED = "decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One operation's life at a processor."""

    operation: Operation
    cause_id: str
    """The command that opened the attempt: what everything it publishes goes back to."""
    state: State = State.OPEN
    phase: Phase = Phase.DUE
    send_before: datetime | None = None
    """When waiting to be sent ends: after it, it is given up and never sent. Without it, it waits."""
    next_at: datetime
    """When to act next; while a worker holds the row, when its lease ends."""
    lease_owner: str | None = None
    lease_epoch: int = 0
    attempt_id: str | None = None
    attempt_number: int = 0
    not_sent_count: int = 0
    doubtful: bool = False
    """A send may have reached the processor and is not yet answered for."""
    looks_again: bool = False
    """Closed, and asked about once more: a look-up is due or under way, a send never is."""
    withdrawal_requested: bool = False
    first_sent_at: datetime | None = None
    """The first send that may have arrived: those before it were proved undone."""
    last_sent_at: datetime | None = None
    resend_before: datetime | None = None
    """Until when a send in doubt may be repeated under its key; after it, the attempt is only looked up."""
    looked_up_at: datetime | None = None
    accepted_at: datetime | None = None
    """When the processor first said that it decides later; its time to do so runs from here and never anew."""
    rung: int = 0
    rung_at: datetime | None = None
    """When the ladder's own next look-up is due; one on request comes before it and leaves it where it is."""
    not_found_count: int = 0
    result: Result | None = None
    exhausted_at: datetime | None = None
    closed_at: datetime | None = None
    closing: Closing | None = None

    @property
    def held(self) -> bool:
        """Say whether a worker holds the row."""
        return self.lease_owner is not None

    @property
    def ever_sent(self) -> bool:
        """Say whether the processor may know of the operation: sent, and not every send proved undone."""
        return self.doubtful or self.result in (Result.DONE, Result.DECLINED, Result.ACCEPTED)


@dataclass(frozen=True, slots=True)
class Move:
    """What one input made of an attempt, and which of the four things there are to tell."""

    attempt: Attempt
    applied: bool = True
    will_retry: bool = False
    exhausted: bool = False
    doubt: Doubt | None = None
    """Set where what the processor had accepted is in doubt from now on."""
    closed: Closing | None = None
    """Set only where `payment` must be told that nothing will be sent any more."""


def take(attempt: Attempt, *, owner: str, attempt_id: str, now: datetime, policy: Policy) -> Attempt:
    """Return the attempt held by ``owner`` for one call; the epoch fences every earlier holder off."""
    held = replace(
        attempt,
        lease_owner=owner,
        lease_epoch=attempt.lease_epoch + 1,
        next_at=now + timedelta(seconds=policy.lease_s),
    )
    waits = attempt.looks_again or attempt.phase in (Phase.WAITING, Phase.LOOKING_UP)
    # Decided here and not only where it came due: by now the key may be dead, or nobody want it any more.
    if waits or (attempt.doubtful and not _repeats(attempt, now, policy)):
        return replace(held, phase=Phase.LOOKING_UP, looked_up_at=now)
    sent = replace(
        held,
        phase=Phase.SENDING,
        attempt_id=attempt_id,
        attempt_number=attempt.attempt_number + 1,
        last_sent_at=now,
    )
    if attempt.doubtful:
        return sent
    # Nothing is at the processor yet, and so no key of ours: its life begins with this send.
    return replace(sent, first_sent_at=now, resend_before=now + timedelta(seconds=policy.resend_s))


def too_late(attempt: Attempt, *, now: datetime) -> Move | None:
    """Return the end of an attempt that waited too long to be sent; nothing of it can be at the processor."""
    waits = attempt.state is State.OPEN and attempt.phase is Phase.DUE and not attempt.doubtful
    if not waits or attempt.send_before is None or now < attempt.send_before:
        return None
    closed = _close(attempt, Closing.NOT_SENT_LIMIT, now=now, result=attempt.result)
    return Move(closed, closed=Closing.NOT_SENT_LIMIT)


def lose_worker(attempt: Attempt, *, now: datetime) -> Attempt:
    """Return the attempt after its holder's lease ended: a send may have happened, so it is looked up."""
    if attempt.phase is Phase.SENDING:
        return replace(
            attempt, phase=Phase.WAITING, doubtful=True, result=Result.UNKNOWN, lease_owner=None, next_at=now,
            rung_at=now,
        )  # fmt: skip
    return replace(attempt, phase=Phase.WAITING, lease_owner=None, next_at=now)


def record_answer(attempt: Attempt, answer: Answer, *, now: datetime, wait_s: float, policy: Policy) -> Move:
    """Return what the answer to a send makes of the attempt; ``wait_s`` is the jittered back-off."""
    if attempt.state is State.CLOSED:
        # Decided by other evidence while the call was under way: the answer is told, nothing reopens.
        return Move(replace(attempt, lease_owner=None, result=answer.result))
    released = replace(attempt, lease_owner=None)
    match answer.result:
        case Result.DONE | Result.DECLINED:
            return Move(_close(released, Closing.ANSWERED, now=now, result=answer.result))
        case Result.ACCEPTED:
            return Move(_wait(_accepted(replace(released, rung=0), now, policy), now, policy))
        case Result.NOT_SENT:
            return _not_sent(released, now=now, wait_s=wait_s, policy=policy)
        case Result.UNKNOWN:
            return Move(_wait(replace(released, result=Result.UNKNOWN, doubtful=True), now, policy))


def _not_sent(attempt: Attempt, *, now: datetime, wait_s: float, policy: Policy) -> Move:
    if attempt.doubtful:
        # This send did not happen, but an earlier one may have: the doubt stays, and so does the ladder.
        return Move(_wait(replace(attempt, result=Result.UNKNOWN), now, policy))
    failed = replace(attempt, not_sent_count=attempt.not_sent_count + 1, result=Result.NOT_SENT)
    if failed.withdrawal_requested:
        closed = _close(failed, Closing.WITHDRAWN, now=now, result=Result.NOT_SENT)
        return Move(closed, closed=Closing.WITHDRAWN)
    # However often: only its time ends the waiting (``too_late``), and only where the policy sets one.
    due = replace(failed, phase=Phase.DUE, next_at=now + timedelta(seconds=wait_s))
    return Move(due, will_retry=True)


def record_look_up(attempt: Attempt, seen: LookUp, *, now: datetime, policy: Policy) -> Move:
    """Return what a look-up makes of the attempt: decided, sent again, proved absent, in doubt, one rung further."""
    released = replace(attempt, lease_owner=None)
    if attempt.state is State.CLOSED:
        # Nothing hangs on it here: what was seen is told, once, and whoever wants more asks again.
        return Move(replace(released, looks_again=False))
    if seen.found is Found.FOUND:
        if seen.result in (Result.DONE, Result.DECLINED):
            return Move(_close(released, Closing.ANSWERED, now=now, result=seen.result))
        if seen.result is Result.ACCEPTED:
            released = _accepted(released, now, policy)
            if released.doubtful and released.exhausted_at is None:
                # Said once more, and too late: `payment` must not take it for patience again.
                return replace(_next(released, seen, now=now, policy=policy), doubt=Doubt.PENDING_TOO_LONG)
    return _next(released, seen, now=now, policy=policy)


def _next(attempt: Attempt, seen: LookUp, *, now: datetime, policy: Policy) -> Move:
    """Return what follows a look-up that decided nothing."""
    if not _by_ladder(attempt):
        return Move(_resume(attempt, policy))
    if _pends(attempt) and now >= _decides_by(attempt, policy):
        return _doubt(attempt, Doubt.PENDING_TOO_LONG, now=now, policy=policy)
    if seen.found is Found.NOT_FOUND and _passed(attempt, policy.visibility_window_s):
        attempt = replace(attempt, not_found_count=attempt.not_found_count + 1)
        if _pends(attempt) and attempt.not_found_count >= NOT_FOUND_NEEDED:
            return _doubt(attempt, Doubt.ACCEPTED_NOT_FOUND, now=now, policy=policy)
        if _may_send_again(attempt, now=now, policy=policy):
            again = replace(
                attempt, phase=Phase.DUE, next_at=now, rung_at=now, not_found_count=0, rung=attempt.rung + 1
            )
            return Move(again, will_retry=True)
        if _proved_absent(attempt, policy):
            closed = _close(attempt, Closing.NOT_FOUND, now=now, result=attempt.result)
            return Move(closed, closed=Closing.NOT_FOUND)
    return _climb(attempt, now=now, policy=policy)


def _accepted(attempt: Attempt, now: datetime, policy: Policy) -> Attempt:
    """Known to the processor, which is still deciding: no doubt, only patience, and that once and not for ever."""
    known = replace(attempt, accepted_at=attempt.accepted_at or now, not_found_count=0)
    if known.doubtful and now >= _decides_by(known, policy):
        return known
    return replace(known, result=Result.ACCEPTED, doubtful=False)


def _pends(attempt: Attempt) -> bool:
    return attempt.result is Result.ACCEPTED and attempt.accepted_at is not None


def _decides_by(attempt: Attempt, policy: Policy) -> datetime:
    return (attempt.accepted_at or attempt.next_at) + timedelta(seconds=policy.pending_limit_s)


def _doubt(attempt: Attempt, doubt: Doubt, *, now: datetime, policy: Policy) -> Move:
    """What was accepted is in doubt and climbs the ladder from its foot: towards a person, never towards failed."""
    doubtful = replace(attempt, result=Result.UNKNOWN, doubtful=True, rung=0, not_found_count=0)
    return Move(_wait(doubtful, now, policy), doubt=doubt)


def _by_ladder(attempt: Attempt) -> bool:
    """Say whether the ladder itself made this look-up. Somebody who only reads a payment must not use a rung up."""
    if attempt.rung_at is None or attempt.looked_up_at is None:
        return True
    return attempt.looked_up_at >= attempt.rung_at


def _resume(attempt: Attempt, policy: Policy) -> Attempt:
    return _until(attempt, attempt.rung_at or attempt.next_at, policy)


def _climb(attempt: Attempt, *, now: datetime, policy: Policy) -> Move:
    higher = replace(attempt, rung=min(attempt.rung + 1, len(policy.ladder_s)))
    waiting = _wait(higher, now, policy)
    if policy.exhausted(higher.rung) and higher.doubtful and higher.exhausted_at is None:
        return Move(replace(waiting, exhausted_at=now), exhausted=True)
    return Move(waiting)


def _passed(attempt: Attempt, window_s: float) -> bool:
    # The look-up's start counts, not its end: a slow answer tells the state of when it was asked.
    if attempt.looked_up_at is None or attempt.last_sent_at is None:
        return False
    return attempt.looked_up_at - attempt.last_sent_at >= timedelta(seconds=window_s)


def _may_send_again(attempt: Attempt, *, now: datetime, policy: Policy) -> bool:
    if attempt.not_found_count < NOT_FOUND_NEEDED or attempt.exhausted_at is not None:
        return False
    if attempt.accepted_at is not None:
        # It was there: that it no longer shows is no reason to ask for it anew.
        return False
    if attempt.rung + 1 >= len(policy.ladder_s):
        # The last rung belongs to the review, not to one more send.
        return False
    return attempt.doubtful and _repeats(attempt, now, policy)


def _repeats(attempt: Attempt, now: datetime, policy: Policy) -> bool:
    """Only while its key lives and it is wanted: what was withdrawn is looked for, and sent no more."""
    wanted = not attempt.withdrawal_requested
    return wanted and policy.keeps_keys and attempt.resend_before is not None and now < attempt.resend_before


def _proved_absent(attempt: Attempt, policy: Policy) -> bool:
    """Where there is no second send "not there" ends the attempt: without keys, and where nobody wants one any more."""
    absent = attempt.accepted_at is None and attempt.not_found_count >= NOT_FOUND_NEEDED
    unwanted = attempt.withdrawal_requested and _passed(attempt, policy.absence_window_s)
    return attempt.doubtful and absent and (unwanted or not policy.keeps_keys)


def withdraw(attempt: Attempt, *, now: datetime) -> Move:
    """Close the attempt if nothing can have reached the processor; otherwise only remember the wish."""
    if attempt.state is State.CLOSED:
        return Move(attempt, applied=False)
    if attempt.doubtful or attempt.phase is not Phase.DUE:
        return Move(replace(attempt, withdrawal_requested=True))
    return Move(_close(attempt, Closing.WITHDRAWN, now=now, result=attempt.result), closed=Closing.WITHDRAWN)


def decide(attempt: Attempt, *, now: datetime) -> Move:
    """Stop the ladder: other evidence has decided. A call under way may still tell its answer."""
    if attempt.state is State.CLOSED:
        return Move(attempt, applied=False)
    closed = replace(attempt, state=State.CLOSED, closing=Closing.DECIDED, closed_at=now)
    return Move(closed, closed=Closing.DECIDED)


def look_up_now(attempt: Attempt, *, now: datetime, policy: Policy) -> Move:
    """Bring the next look-up forward, at most once in ``look_up_every_s``; never touches a held row.

    A closed attempt that reached the processor is looked up once more: what it made may have changed since. One that
    was decided while a worker called stays that worker's until its lease ends: nothing takes the row from a dead one.
    """
    recent = attempt.looked_up_at is not None and (now - attempt.looked_up_at) < timedelta(
        seconds=policy.look_up_every_s
    )
    if attempt.state is State.CLOSED:
        unsent = attempt.closing in (Closing.WITHDRAWN, Closing.NOT_SENT_LIMIT) or attempt.attempt_id is None
        calling = attempt.held and now < attempt.next_at
        if recent or unsent or calling or attempt.looks_again:
            return Move(attempt, applied=False)
        return Move(replace(attempt, looks_again=True, lease_owner=None, next_at=now))
    if attempt.phase is not Phase.WAITING or recent or attempt.next_at <= now:
        return Move(attempt, applied=False)
    return Move(replace(attempt, next_at=now, rung_at=attempt.rung_at or attempt.next_at))


def _wait(attempt: Attempt, now: datetime, policy: Policy) -> Attempt:
    return _until(attempt, now + timedelta(seconds=policy.wait_s(attempt.rung)), policy)


def _until(attempt: Attempt, at: datetime, policy: Policy) -> Attempt:
    if _pends(attempt):
        at = min(at, _decides_by(attempt, policy))
    return replace(attempt, phase=Phase.WAITING, next_at=at, rung_at=at)


def _close(attempt: Attempt, closing: Closing, *, now: datetime, result: Result | None) -> Attempt:
    doubtful = attempt.doubtful and closing is not Closing.ANSWERED
    return replace(
        attempt,
        state=State.CLOSED,
        closing=closing,
        closed_at=now,
        result=result,
        doubtful=doubtful,
    )
