"""Requests that share a transaction: all of it or none, each with its own answer, and nobody pays for another's fault."""

import asyncio
import threading
from contextlib import closing

import psycopg
import pytest
import sqlalchemy as sa
from opentelemetry import trace

from shared.kernel.errors import Rejected
from shared.persistence.statements import execute, execute_later
from shared.runtime.group_commit import GROUP_LOCK_TIMEOUT_MS, GROUP_MAX, GroupCommit
from shared.runtime.tracing import attach_trace, detach_trace
from shared.testing.lossy_proxy import Loss, lossy_proxy

INSERT = "INSERT INTO things (id) VALUES (%(id)s)"
OWN = "SELECT pg_current_xact_id()::text"


def adding(thing, *, gate=None, fail=None, announce=False):
    """Work in two steps that adds a thing and tells which transaction it ran in."""

    def steps(uow):
        execute_later(uow.connection, INSERT, {"id": thing}, lambda _: None)
        yield
        if gate is not None:
            gate.wait(10)
        if fail is not None:
            raise fail
        if announce:
            uow.outbox.append("probe.events", thing, key=thing, cause_id=thing)
        return thing, execute(uow.connection, OWN).rows[0][0]

    return steps


@pytest.fixture
def groups(probe):
    engine = probe.engine(pool_size=1, lock_timeout_ms=GROUP_LOCK_TIMEOUT_MS)
    with closing(GroupCommit(probe.transactions(engine), name="t", lanes=1)) as made:
        yield made


async def behind(groups, first, *others):
    """Run ``first`` alone, holding the only lane until all others wait for it."""
    gate = threading.Event()
    running = [asyncio.ensure_future(groups.run(adding(first, gate=gate)))]
    await asyncio.sleep(0)
    running += [asyncio.ensure_future(groups.run(steps)) for steps in others]
    await asyncio.sleep(0)
    gate.set()
    return await asyncio.gather(*running, return_exceptions=True)


def test_what_waited_together_is_committed_together_and_each_gets_its_own_answer(probe, groups):
    answers = asyncio.run(behind(groups, "first", *(adding(f"t{n}") for n in range(GROUP_MAX + 1))))
    assert [thing for thing, _ in answers] == ["first", *(f"t{n}" for n in range(GROUP_MAX + 1))]
    transactions = [number for _, number in answers]
    assert len(set(transactions)) == 3, "one alone, a full group, and who did not fit"
    assert len(set(transactions[1 : GROUP_MAX + 1])) == 1
    assert probe.rows("SELECT count(*) FROM things") == [(GROUP_MAX + 2,)]


@pytest.mark.parametrize("fault", ["refused", "bug", "duplicate"])
def test_one_fault_leaves_nothing_of_the_group_and_sends_each_to_run_alone(probe, groups, fault):
    wrong = {
        "refused": adding("x", fail=Rejected("no", "No.")),
        "bug": adding("x", fail=ZeroDivisionError()),
        "duplicate": adding("a"),
    }[fault]
    first, *others = asyncio.run(behind(groups, "first", adding("a"), wrong, adding("b")))
    assert first[0] == "first"
    assert [type(answer).__name__ for answer in others] == ["Apart"] * 3
    assert probe.rows("SELECT id FROM things") == [("first",)]


def test_a_lock_held_elsewhere_is_not_waited_for_in_company(probe, groups):
    with psycopg.connect(probe.urls.owner) as other:
        other.execute("INSERT INTO things (id) VALUES ('a')")
        _, *others = asyncio.run(behind(groups, "first", adding("a"), adding("b")))
        assert [type(answer).__name__ for answer in others] == ["Apart"] * 2
        other.rollback()


@pytest.mark.parametrize("loss", [Loss.ANSWER, Loss.REQUEST])
def test_a_lost_commit_is_looked_up_once_for_all(probe, loss):
    with lossy_proxy(probe.urls.app) as (proxy, url):
        transactions = probe.transactions(probe.engine_at(url, pool_size=1))
        with closing(GroupCommit(transactions, name="t", lanes=1)) as groups:

            def losing(uow):
                yield
                if not proxy.lost:
                    proxy.lose_next_commit(loss)
                return "losing", execute(uow.connection, OWN).rows[0][0]

            answers = asyncio.run(behind(groups, "first", adding("a"), losing, adding("b")))
    assert proxy.lost == 1
    assert [thing for thing, _ in answers] == ["first", "a", "losing", "b"]
    assert probe.rows("SELECT id FROM things ORDER BY id") == [("a",), ("b",), ("first",)]


def test_without_a_session_everybody_hears_so(probe):
    nowhere = sa.make_url(probe.urls.app).set(host="127.0.0.1", port=1, query={})
    engine = probe.engine_at(nowhere.render_as_string(hide_password=False))
    with closing(GroupCommit(probe.transactions(engine), name="t", lanes=1)) as groups:

        async def both():
            return await asyncio.gather(
                groups.run(adding("a")), groups.run(adding("b")), return_exceptions=True
            )

        answers = asyncio.run(both())
    assert [isinstance(answer, sa.exc.OperationalError) for answer in answers] == [True, True]


def test_a_client_that_hangs_up_takes_nobody_along(probe, groups):
    async def run():
        gate = threading.Event()
        running = [asyncio.ensure_future(groups.run(adding("first", gate=gate)))]
        await asyncio.sleep(0)
        running += [asyncio.ensure_future(groups.run(adding(thing))) for thing in ("a", "b")]
        await asyncio.sleep(0)
        running[1].cancel()
        gate.set()
        return await asyncio.gather(*running, return_exceptions=True)

    first, gone, other = asyncio.run(run())
    assert (first[0], type(gone), other[0]) == ("first", asyncio.CancelledError, "b")
    assert probe.rows("SELECT id FROM things ORDER BY id") == [("a",), ("b",), ("first",)]


def test_each_event_carries_the_trace_of_its_own_request(probe, groups):
    traces = [f"00-{number:032x}-{number:016x}-01" for number in (1, 2)]

    async def traced(traceparent, steps):
        token = attach_trace(traceparent)
        try:
            return await groups.run(steps)
        finally:
            detach_trace(token)

    async def run():
        gate = threading.Event()
        first = asyncio.ensure_future(groups.run(adding("first", gate=gate)))
        await asyncio.sleep(0)
        others = [
            asyncio.ensure_future(traced(traceparent, adding(f"t{n}", announce=True)))
            for n, traceparent in enumerate(traces)
        ]
        await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(first, *others)

    answers = asyncio.run(run())
    assert len({number for _, number in answers[1:]}) == 1
    told = dict(probe.rows("SELECT key, traceparent FROM outbox"))
    assert [told[f"t{n}"][:35] for n in range(2)] == [traceparent[:35] for traceparent in traces]
    assert trace.get_current_span().get_span_context().is_valid is False
