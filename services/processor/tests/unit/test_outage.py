"""A processor that is away for two hours, or full: what waits, what is given up, and how fast it starts again."""

from dataclasses import replace
from datetime import timedelta

from services.processor.domain.attempt import Closing
from services.processor.domain.breaker import OPEN_MAX_S, PROBES
from services.processor.domain.outcome import Answer, Result
from services.processor.domain.policy import Policy
from services.processor.tests.outage import LATENCY_S, Books, Outside, run
from shared.testing.virtual_clock import VirtualClock

QUEUE_S = 300
OUTAGE_S = 7_200
POLICY = Policy(keys_live_s=86_400)
POLICIES = {"x": replace(POLICY, by_kind={"authorize": replace(POLICY, queue_s=QUEUE_S)})}
WAITING_KINDS = ("capture", "cancel", "refund")
KINDS = (*WAITING_KINDS, "authorize")


DRAIN_S = 120


def test_two_hours_away_queue_what_must_wait_refuse_what_may_not_and_drain_without_a_stampede(monkeypatch):
    # Looked for once a second and not twenty times: two hours pass in a moment.
    monkeypatch.setattr("services.processor.app.call_processor.IDLE_S", 1.0)
    clock = VirtualClock()
    books, outside = Books(clock), Outside(clock, away_until_s=OUTAGE_S)
    seen = {}

    def each_second(second):
        if second % 5 == 0 and second < OUTAGE_S:
            kind = KINDS[second // 5 % 4]
            queued = timedelta(seconds=QUEUE_S) if kind == "authorize" else None
            books.ask(second, kind, None if queued is None else books.now + queued)
        if second == OUTAGE_S - 1:
            seen.update({kind: books.closings(kind) for kind in KINDS})

    run(outside, books, policies=POLICIES, until_s=OUTAGE_S + DRAIN_S, each_second=each_second)
    for kind in WAITING_KINDS:
        assert seen[kind] == {None: 360}, f"a {kind} was given up while the processor was away"
        assert books.closings(kind) == {Closing.ANSWERED: 360}, f"a {kind} did not get through after it"
    assert seen["authorize"][Closing.NOT_SENT_LIMIT] >= 360 - QUEUE_S // 20 - 1
    assert set(books.told) == {("authorize", Closing.NOT_SENT_LIMIT)}, "refused by their time, and told so"
    assert books.closings("authorize")[None] == 0
    calls = outside.calls
    assert sum(n for second, n in calls.items() if second < OUTAGE_S) < 600, "probed, not stormed"
    back = min(second for second in calls if second >= OUTAGE_S)
    assert back <= OUTAGE_S + OPEN_MAX_S
    # Each call under way fits ten times into a second: from the probes at most twice as many each second.
    for second in range(back, back + 8):
        bound = PROBES * 2 ** (second - back + 1) / LATENCY_S
        assert calls[second] <= bound, f"{calls[second]} calls in second {second - back} after the recovery"
    assert outside.most < 256, "the backlog was gone before the limit had grown back"


def test_a_processor_that_asks_for_fewer_calls_gets_fewer_and_nothing_is_abandoned():
    clock = VirtualClock()
    books = Books(clock)
    slow = Answer(result=Result.NOT_SENT, error_code="http_429", retry_after_s=1.0, throttled=True)
    outside = Outside(clock, answer=slow)
    for number in range(100):
        books.ask(number, "refund")
    run(outside, books, policies=POLICIES, until_s=65, concurrent=128)
    assert books.closings("refund") == {None: 100}
    asked = [outside.calls[second] for second in range(65)]
    assert asked[0] == 100, "nobody had said anything yet"
    assert sum(asked[1:10]) <= 2 * 78, "each round of answers halves what may be under way"
    assert max(asked[20:]) == 1, "and at last one call asks whether there is room again"
    outside.answer = Answer(result=Result.DONE)
    run(outside, books, policies=POLICIES, until_s=240)
    assert books.closings("refund") == {Closing.ANSWERED: 100}
