"""A process that slept past its leases, and two copies of everything: nothing but harmless duplicates."""

from contextlib import ExitStack
from functools import partial

import httpx2
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException
from confluent_kafka.admin import AdminClient

from shared.testing.waiting import eventually
from tools.crash.load import Load
from tools.crash.points import WITH_INBOX, WITH_OUTBOX
from tools.crash.stack import broken
from tools.demo.scenarios import Scenario, sale

pytestmark = pytest.mark.timeout(400)

SLOW_CALLS = (
    Scenario("sale", 6, sale()),
    Scenario("processor times out after the effect", 10, sale("pm_fault_timeout_after")),
)
TAKEN_OVER_S = 40
OPEN = "SELECT operation_id, phase, lease_owner, next_at, now() FROM attempts WHERE state = 'open'"
LOCKS_GIVEN_UP_S = 60
"""Stopped inside a transaction a process keeps its row locks, until the server ends the idle session after 10 s; whoever
waits for them tries every 5 s."""

MEMBERS = {"ledger": 2, "reconciliation": 2, "webhook_ingest": 0}
"""Members of the group in one copy, where it is not one: two read each topic by itself, and who reads none has a relay
alone."""


def relay_owner(stack, service):
    return stack.rows(service, "SELECT owner, epoch FROM relay_leases WHERE shard = 0")[0]


def members(stack, service):
    """The group's members and how many partitions each one has."""
    admin = AdminClient({"bootstrap.servers": stack.bootstrap})
    try:
        group = admin.describe_consumer_groups([stack.topic_prefix + service])[service].result(10)
    except KafkaException:
        return {}
    return {member.member_id: len(member.assignment.topic_partitions) for member in group.members}


def ties_out(stack, load):
    assert load.finish() == []
    assert_holds(stack.audit())


def assert_holds(report):
    assert report.holds, broken(report)


@pytest.mark.parametrize("service", WITH_OUTBOX)
def test_a_relay_and_a_consumer_that_slept_past_their_leases(stack, service):
    roles = ("relay", "consume") if service in WITH_INBOX else ("relay",)
    of_one = MEMBERS.get(service, 1)
    with stack.second_copy(service, *roles):
        eventually(
            lambda: len(members(stack, service)) == 2 * of_one, timeout_s=60, describe="both copies joined"
        )
        load = Load(stack, f"sleep-{service}").start()
        assert load.has_begun.wait(60)
        sleeper = relay_owner(stack, service)
        with stack.paused(service):
            eventually(
                lambda: relay_owner(stack, service)[1] > sleeper[1],
                timeout_s=TAKEN_OVER_S,
                describe="the other relay took the lease",
            )
            assert relay_owner(stack, service)[0] != sleeper[0]
            eventually(
                lambda: len(members(stack, service)) == of_one,
                timeout_s=TAKEN_OVER_S,
                describe="the other consumer took the partitions",
            )
        ties_out(stack, load)


def test_a_processor_worker_that_slept_past_the_leases_of_its_calls(stack):
    def held_by_sleeper():
        return {
            owner
            for (owner,) in stack.rows(
                "processor",
                "SELECT lease_owner FROM attempts WHERE lease_owner IS NOT NULL AND state = 'open'",
            )
        }

    def asleep_in_its_calls():
        """Whom the calls belong to that were not over before their worker slept; it goes on where all of them were."""
        if held_by_sleeper():
            stack.suspend("processor")
            if owners := held_by_sleeper():
                return owners
            stack.resume("processor")
        return None

    load = Load(stack, "sleep-worker", SLOW_CALLS).start()
    try:
        sleeper = eventually(
            asleep_in_its_calls, timeout_s=60, interval_s=0.005, describe="it sleeps in its calls"
        )
        with stack.second_copy("processor"):
            eventually(
                lambda: not held_by_sleeper() & sleeper,
                timeout_s=LOCKS_GIVEN_UP_S,
                describe=lambda: f"the other worker took the attempts; open: {stack.rows('processor', OPEN)}",
            )
            stack.resume("processor")
            ties_out(stack, load)
    finally:
        stack.resume("processor")


def test_two_copies_of_every_service_at_once(stack):
    with ExitStack() as copies:
        for service in WITH_OUTBOX:
            copies.enter_context(stack.second_copy(service))
        ties_out(stack, Load(stack, "two-copies").start())


def test_everything_dies_at_once_with_its_servers(stack):
    load = Load(stack, "all-die").start()
    assert load.has_begun.wait(60)
    before = {name: stack.kills_seen(name) for name in ("postgres", "kafka", "payment")}
    stack.kill_everything()
    eventually(
        lambda: all(stack.kills_seen(name) > seen for name, seen in before.items()),
        timeout_s=30,
        describe="the supervisor saw the servers die",
    )
    stack.wait_until_back(*WITH_OUTBOX, "sandbox")
    ties_out(stack, load)


CREATED, UNAVAILABLE = (201, None), (503, "temporarily_unavailable")


@pytest.mark.parametrize(
    ("server", "answered"), [("kafka", CREATED), ("postgres", UNAVAILABLE)], ids=["kafka", "postgres"]
)
def test_a_server_is_away_and_comes_back(stack, server, answered):
    """Without Kafka events wait in the outboxes; without PostgreSQL nothing is begun; nothing is lost by either."""
    request = httpx2.Request(
        "POST",
        stack.url("payment") + "/payments",
        headers={
            "Authorization": f"Bearer {stack.merchant(lambda _: None).api_key}",
            "Idempotency-Key": f"away-{server}",
            "Prefer": "wait=0",
        },
        json={
            "amount": 1_700,
            "currency": "EUR",
            "payment_method": "pm_card_visa",
            "capture_method": "automatic",
        },
    )

    def answer():
        with httpx2.Client(timeout=30) as client:
            reply = client.send(request)
        return reply.status_code, reply.json().get("code")

    load = Load(stack, f"away-{server}").start()
    assert load.has_begun.wait(60)
    with stack.stopped(server):
        eventually(lambda: answer() == answered, timeout_s=30, describe=lambda: f"{answered}, not {answer()}")
        unsent = "SELECT count(*) FROM outbox WHERE sent_at IS NULL"
        assert server != "kafka" or stack.rows("payment", unsent)[0][0] > 0
    stack.wait_until_back(*WITH_OUTBOX, "sandbox")
    assert eventually(
        lambda: answer() == CREATED, timeout_s=60, describe="the same request is answered again"
    )
    ties_out(stack, load)


REPLAYED = ("outbox", "inbox", "inbox_versions")


def counted(stack, services):
    return {service: {table: stack.count(service, table) for table in REPLAYED} for service in services}


def all_signed(stack):
    """Whether the ledger has said all that it says of its own accord: a head follows seconds after the last seal."""
    sealed = "SELECT (SELECT max(position) FROM seals) = (SELECT max(position) FROM seal_heads)"
    return stack.rows("ledger", sealed)[0][0]


def read_again(stack, admin, service):
    """Whether the group has read as many records as its service ever took in."""
    group = stack.topic_prefix + service
    asked = [ConsumerGroupTopicPartitions(group)]
    partitions = admin.list_consumer_group_offsets(asked)[group].result(10).topic_partitions
    versions = stack.rows(service, "SELECT sum(last_version) FROM inbox_versions")[0][0]
    return sum(max(at.offset, 0) for at in partitions) >= versions


def test_deleted_offsets_of_every_service_replay_everything_with_no_new_effect(stack):
    ties_out(stack, Load(stack, "replay").start())
    # The outside world tells nothing new while we count: webhooks that it failed to deliver earlier, say.
    with stack.stopped("sandbox"):
        eventually(
            partial(all_signed, stack), timeout_s=60, describe="a head was signed of all that is sealed"
        )
        assert_holds(stack.audit())
        before = counted(stack, WITH_INBOX)
        admin = AdminClient({"bootstrap.servers": stack.bootstrap})
        with ExitStack() as stopped:
            for service in WITH_INBOX:
                stopped.enter_context(stack.stopped(service))
            for gone in admin.delete_consumer_groups(
                [stack.topic_prefix + service for service in WITH_INBOX]
            ).values():
                gone.result(30)
        stack.wait_until_back(*WITH_INBOX)
        for service in WITH_INBOX:
            eventually(
                partial(read_again, stack, admin, service),
                timeout_s=60,
                describe=f"{service} read the topics again",
            )
        assert_holds(stack.audit())
        assert counted(stack, WITH_INBOX) == before
