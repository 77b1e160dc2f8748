"""What must be true of one world, found out by reading databases, topics and what the clients heard.

It shares no code with the handlers. The books are asked by ``tools.auditor``, the same checks as of a running stack,
over a copy of this world's databases and topics; what only a simulation can know is asked here.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Any

from schemas.catalogue import TOPICS
from shared.messaging.memory import MemoryBroker
from tests.simulation import books
from tests.simulation.answers import wrong_answers
from tests.simulation.at_risk import returned_though_claimed, unseen_overpayments, unseen_risks
from tests.simulation.circumstances import PROCESSORS
from tests.simulation.decided import closed_too_soon, wrongly_contradicted
from tests.simulation.excuses import NOBODYS, Excuses
from tests.simulation.mishaps import event_id_of
from tests.simulation.storage import KAFKA_SERVICES
from tests.simulation.summing_up import sum_up
from tests.simulation.terms import broken_terms, left_by_policy, misrouted, wrong_closes, wrong_returns
from tests.simulation.workload import Workload, code_of, is_final
from tests.simulation.world import World
from tools.auditor.copying import READING_ORDER, queries_of
from tools.auditor.draining import OUR_OBJECTS, THEIR_OBJECTS, stuck_questions, subscribed
from tools.auditor.payments import own_legal_rows
from tools.auditor.registry import CHECKS
from tools.auditor.sandbox_queries import at_both
from tools.auditor.scratch import Scratch
from tools.auditor.topics import copy_contract, record_row

MADE = (
    "/payments",
    "/refunds",
    "/disputes",
    "/operator/decisions",
    "/operator/strays",
    "/operator/operations",
)
"""Whose replies name a row of the payment service's own."""
STABLE = ("attempt open",)
"""Asked anew below: an attempt whose ladder is exhausted rests until an operator decides, which may be never."""
MORE_QUESTIONS = {
    "sandbox": tuple(
        (
            f"{processor} keeps something back",
            f"SELECT object_id FROM {processor}_timers WHERE action = 'show_event'",
        )
        for processor in PROCESSORS
    ),
    "ledger": (
        (
            "closed month not signed",
            "SELECT period FROM closed_periods EXCEPT SELECT period FROM close_signatures",
        ),
    ),
    "processor": (
        (
            "attempt undecided",
            "SELECT operation_id FROM attempts WHERE state = 'open' AND exhausted_at IS NULL",
        ),
    ),
    "payment": (
        ("key in flight", "SELECT endpoint FROM idempotency_keys WHERE state = 'in_flight'"),
        (
            "review without a case",
            (
                "SELECT operation_id FROM operations o WHERE state = 'IN_REVIEW' AND NOT EXISTS"
                " (SELECT FROM cases c WHERE c.payment_id = o.payment_id AND c.closed_at IS NULL)"
            ),
        ),
    ),
}

_DECLINED_BY_EVIDENCE = """
SELECT o.operation_id, o.type FROM operations AS o WHERE o.state = 'DECLINED' AND NOT EXISTS (
  SELECT FROM status_history AS h JOIN operator_decisions AS d ON d.decision_id = h.cause_id
   WHERE h.subject = 'operation' AND h.subject_id = o.operation_id AND h.to_state = 'DECLINED')
"""


class Auditor:
    """The judge of one world."""

    def __init__(self, world: World, workload: Workload) -> None:
        self._world = world
        self._workload = workload
        self._admin = world.storage.admin

    def stuck(self) -> list[str]:
        """What is still on its way; empty when everything has come to rest."""
        if under_way := len(self._world.outside.under_way):
            return [f"{under_way} requests are on their way to a processor, or with it"]
        found = []
        for service in READING_ORDER:
            for what, query in (*stuck_questions(service), *MORE_QUESTIONS.get(service, ())):
                if what in STABLE:
                    continue
                found += [
                    f"{service}: {what}: {which}"
                    for (which,) in self._rows(service, query)
                    if what != "fact waits" or NOBODYS not in which
                ]
            if found:
                return found
        if self._world.constellation.is_awaited:
            return ["what is arranged is still to come"]
        left = left_by_policy(self._world.circumstances, partial(self._rows, "payment"))
        return [*self._unheard(), *left] or [*self._not_taken_in(), *self._world.mishaps.not_met(self._rows)]

    def judge(self) -> None:
        """Add every broken invariant to the world's violations."""
        violations, excuses = self._world.violations, self._excuses()
        with closing(Scratch()) as scratch:
            self._copy(scratch)
            for check in (*CHECKS, *books.CHECKS):
                verdict = scratch.ask(check)
                self._world.history.count(f"checked:{check.name}", verdict.checked)
                broken = [row for row in verdict.violations if not excuses.cover(check.name, row)]
                violations += [f"{check.name}: {row}" for row in broken[:3]]
        for check in (
            self._same_answers, self._free_stay_free, self._nothing_lost, self._charged_once,
            self._declined_did_not_happen, self._offsets_reached, self._risk_obeyed, self._went_where_routed,
            self._revoked_keys_end, self._months_by_two, self._returned_by_policy, self._answers_by_lease,
            self._put_aside, self._nothing_unforeseen, self._seen_as_it_came, self._before_people, self._claimed_stays,
        ):  # fmt: skip
            violations += [f"{check.__doc__.split(':')[0]}: {found}" for found in check()]
        sum_up(self._world)

    def _excuses(self) -> Excuses:
        return Excuses(self._rows, self._world.constellation.typed)

    def _rows(self, service: str, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._admin[service].execute(query.encode(), values or None).fetchall()

    def _unheard(self) -> Iterator[str]:
        """What processors did and payment does not know of: where webhooks were lost, a feed still has to be read."""
        theirs, ours = self._rows("sandbox", THEIR_OBJECTS), self._rows("payment", OUR_OBJECTS)
        for object_id, status in sorted(set(theirs) - set(ours)):
            yield f"payment: does not know that {object_id} is {status}"

    def _not_taken_in(self) -> Iterator[str]:
        told: dict[str, int] = {}
        for service in KAFKA_SERVICES:
            told.update(
                self._rows(service, "SELECT topic, sum(last_version)::bigint FROM outbox_streams GROUP BY 1")
            )
        by_consumer, versioned = subscribed()
        for consumer, topic in by_consumer:
            query = (
                "SELECT coalesce(sum(last_version), 0)::bigint FROM inbox_versions WHERE topic = %s"
                if topic in versioned
                else "SELECT count(*) FROM inbox WHERE topic = %s"
            )
            ((number,),) = self._rows(consumer, query, topic)
            if number != told.get(topic, 0):
                yield f"{consumer}: took in {number} of {told.get(topic, 0)} of {topic}"

    def _copy(self, scratch: Scratch) -> None:
        broker, strangers = self._world.broker, self._world.mishaps.strangers
        copy_contract(scratch)
        scratch.fill("own_legal", own_legal_rows())
        scratch.fill("committed", _committed(broker))
        for service in READING_ORDER:
            for table, query in queries_of(service):
                rows = self._rows(service, query)
                # That these are put aside is judged below; here they would be violations, as which they page people.
                rows = [row for row in rows if table != "quarantined" or row[1] not in strangers]
                scratch.fill(table, rows)
        for name in TOPICS:
            for at in broker.partitions(name):
                scratch.fill("topic_starts", [(name, at.number, 0)])
                ours = (record for record in broker.logs[at] if event_id_of(record) not in strangers)
                scratch.fill("records", [_record_row(record) for record in ours])
        scratch.finish()

    def _same_answers(self) -> Iterator[str]:
        """I12.same_key_same_answer: all final replies of one key are equal to the byte, a changed one is refused."""
        misused = {id(call) for call, _ in self._workload.misused}
        for call in self._workload.calls:
            finals = {(reply.status, reply.body) for reply in call.final}
            if len(finals) > 1:
                yield f"{call.key} was answered {len(finals)} ways: {sorted(finals)}"
            if id(call) not in misused and any(
                code_of(reply) == "idempotency_key_reused" for reply in call.replies
            ):
                yield f"{call.key} is {call.caller.owner_id}'s own, and was refused for another's request"
        for call, other in self._workload.misused:
            # Where the first request never arrived, the key was free.
            if call.final and other.final:
                yield f"{other.key} was used for {call.body}, and {other.body} was executed under it"

    def _free_stay_free(self) -> Iterator[str]:
        """I12.free_refusals: a refusal that leaves its key free is never given again from what was stored."""
        for call in self._workload.calls:
            for reply in call.replies:
                if not is_final(reply) and "idempotent-replayed" in reply.headers:
                    yield f"{call.key} was told {code_of(reply) or reply.status} again from what was stored"

    def _nothing_lost(self) -> Iterator[str]:
        """I13.acknowledged_is_there: what was answered 2xx exists, nothing is made twice, unknowns at most once."""
        stored = {
            (service, owner, hashed): (resource, status, body)
            for service in ("payment", "risk", "ledger")
            for owner, hashed, resource, status, body in self._rows(
                service, "SELECT owner_id, key_digest, resource_id, status, body FROM idempotency_keys"
            )
        }
        made = {row[0] for row in self._rows("payment", "SELECT payment_id FROM payments")}
        made |= {row[0] for row in self._rows("payment", "SELECT refund_id FROM refunds")}
        there = made | {row[0] for row in self._rows("payment", "SELECT dispute_id FROM disputes")}
        there |= {row[0] for row in self._rows("payment", "SELECT decision_id FROM operator_decisions")}
        told = set()
        creating = [call for call in self._workload.calls if call.target in ("/payments", "/refunds")]
        for call in self._workload.calls:
            digest, caller = hashlib.sha256(call.key.encode()).hexdigest(), call.caller
            known = stored.get((caller.service, caller.owner_id, digest), (None, None, None))
            resource, status, body = known
            if call in creating and status in (200, 201):
                told.add(resource)
            for reply in call.final:
                if status != reply.status:
                    yield f"{call.key} was answered {reply.status}, stored is {status}"
                elif body != reply.body:
                    yield f"{call.key} was answered {reply.body!r}, stored is {body!r}"
                if reply.status in (200, 201) and call.target.startswith(MADE) and resource not in there:
                    yield f"{call.key} was answered {reply.status}, and {resource} is not there"
        adopted = {row[0] for row in self._rows("payment", "SELECT refund_id FROM refunds WHERE adopted")}
        yield from (f"{thing} was made by no request" for thing in sorted(made - told - adopted))

    def _charged_once(self) -> Iterator[str]:
        """I5.one_effect: no operation of ours holds, charges or refunds more than once, but by the processor's own doing."""
        twice = self._excuses().done_twice
        for reference, *effects in self._rows(
            "sandbox",
            f"SELECT reference, authorizations, effective_charges, effective_refunds FROM {at_both('book_by_reference')}",
        ):
            if max(effects) > 1 and reference not in twice:
                yield f"{reference} held, charged, refunded {effects} times"
        for object_id, captured, amount in self._rows(
            "sandbox",
            f"SELECT id, captured_minor, amount_minor FROM {at_both('objects')} WHERE captured_minor > amount_minor"
            " OR refunded_minor > amount_minor",
        ):
            yield f"{object_id} of {amount} has {captured} captured"

    def _declined_did_not_happen(self) -> Iterator[str]:
        """I4.declined_did_not_happen: what evidence declined moved no money at a processor that never says so falsely."""
        declined = dict(self._rows("payment", _DECLINED_BY_EVIDENCE)).items()
        denied = self._excuses().denied
        honest = {operation: what for operation, what in declined if operation not in denied}
        for reference, captured_minor, refunded_minor in self._rows(
            "sandbox",
            f"SELECT reference, captured_minor, refunded_minor FROM {at_both('book_by_reference')}",
        ):
            if reference in honest and (captured_minor or refunded_minor):
                yield f"{honest[reference]} {reference} took {captured_minor}, gave back {refunded_minor}"

    def _offsets_reached(self) -> Iterator[str]:
        """I16.committed_offsets: no group has committed past what its database has taken in."""
        broker = self._world.broker
        for name, group in sorted(broker.groups.items()):
            kept = {row[0] for row in self._rows(name, "SELECT event_id FROM inbox")}
            for at, offset in sorted(group.committed.items()):
                for record in broker.logs[at][:offset]:
                    event_id = event_id_of(record)
                    if event_id not in kept and event_id not in self._world.mishaps.strangers:
                        yield f"{name} committed {at} past {event_id}, which it does not have"

    def _risk_obeyed(self) -> Iterator[str]:
        """I25.on_the_terms: risk was asked where it must be, and nothing went out that nobody might let go."""
        drawn = self._world.circumstances
        if drawn.risk_mode == "required":
            yield from broken_terms(drawn, partial(self._rows, "payment"))

    def _went_where_routed(self) -> Iterator[str]:
        """I25.routed: an authorization went where the rules of its time send it, and all that follows after it."""
        yield from misrouted(self._world.circumstances.default_processor, partial(self._rows, "payment"))

    def _revoked_keys_end(self) -> Iterator[str]:
        """I26.revoked_keys_end: no request with a revoked API key is answered but by 401, and none with another by it."""
        keys = self._world.keys
        yield from (f"{what} was answered {status}" for what, status in keys.used_after if status != 401)
        yield from (f"{what} was refused with a good key" for what in keys.refused_before)

    def _months_by_two(self) -> Iterator[str]:
        """I3.months: two people close a month that is over, and what is told of it later says so."""
        yield from wrong_closes(partial(self._rows, "ledger"))

    def _returned_by_policy(self) -> Iterator[str]:
        """I5.by_policy: what the policy gave back was its to give, and it left nothing lying."""
        yield from wrong_returns(self._world.circumstances, partial(self._rows, "payment"))

    def _answers_by_lease(self) -> Iterator[str]:
        """I4.answers_by_lease: what a call came to is written under the lease that asked, and once."""
        yield from wrong_answers(partial(self._rows, "processor"))

    def _nothing_unforeseen(self) -> Iterator[str]:
        """I22.nothing_unforeseen: nobody is told 500, which is said where nobody thought of what happened."""
        replies = ((call, reply) for call in self._workload.calls for reply in call.replies)
        yield from (f"{call.key} was answered 500" for call, reply in replies if reply.status == 500)
        yield from (f"{webhook} was answered 500" for webhook in self._world.outside.deliveries.unforeseen)

    def _seen_as_it_came(self) -> Iterator[str]:
        """I14.seen_as_it_came: no webhook is counted more often than it came, or what was committed was done again."""
        yield from self._world.outside.deliveries.seen_too_often(self._rows)

    def _before_people(self) -> Iterator[str]:
        """I6.before_people: what is in review keeps its case until it is decided, and what speaks against that is one."""
        rows = partial(self._rows, "payment")
        yield from closed_too_soon(rows)
        yield from wrongly_contradicted(rows)
        yield from unseen_risks(rows)
        yield from unseen_overpayments(rows)

    def _claimed_stays(self) -> Iterator[str]:
        """I5.claimed_stays: what somebody claims is not sent back as well where that can still be stopped."""
        yield from returned_though_claimed(partial(self._rows, "payment"))

    def _put_aside(self) -> Iterator[str]:
        """I15.version_conflict: another event under an applied version is put aside by all who read it, and no more."""
        yield from self._world.mishaps.not_put_aside(self._rows)


def _committed(broker: MemoryBroker) -> Sequence[tuple[Any, ...]]:
    return [
        (name, at.topic, at.number, offset)
        for name, group in broker.groups.items()
        for at, offset in group.committed.items()
    ]


def _record_row(record: Any) -> tuple[object, ...]:
    return record_row(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        headers=dict(record.headers),
        value=record.value,
    )
