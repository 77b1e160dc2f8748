"""The event feed: each fact once, an hour of overlap, one reader at a time, and a cursor that survives."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace

from services.processor.app.ports import FeedPage, FeedReject, FeedUnreachable
from services.processor.app.read_feed import leave_feed, record_page, take_feed
from services.processor.domain.fact import Fact
from services.processor.entrypoints.worker import FeedReader
from shared.runtime.metric_names import FEED_UNREADABLE
from shared.runtime.metrics import value_of


def fact(number):
    return Fact(
        processor="alpha", account="acct", object_type="capture", object_id=f"cap_{number}", status="succeeded",
        object_version=1, reference=None, payment_id=None, parent_type="authorization", parent_id="auth_1",
        amount_minor=100, currency="EUR", decline_code=None, capture_before=None,
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def page(*numbers, cursor, more=False, rejects=()):
    return FeedPage(facts=tuple(map(fact, numbers)), rejects=rejects, next_cursor=cursor, has_more=more)


def take(service, owner="w1"):
    return service.run(partial(take_feed, "alpha", "acct", owner=owner))


def record(service, turn, read, interval_s=300.0):
    return service.run(partial(record_page, turn, read, interval_s=interval_s))


def test_each_fact_is_published_once_however_often_it_is_read(service):
    turn = take(service)
    assert turn.cursor is None
    assert record(service, turn, page(1, 2, 2, cursor="c1", more=True))
    assert record(service, turn, page(2, 3, cursor="c2"))
    observed = service.payloads("FactObserved")
    assert [event["fact"]["object_id"] for event in observed] == ["cap_1", "cap_2", "cap_3"]
    assert observed[0]["source"] == "feed"
    assert observed[0]["cursor"] == "c1"


def test_one_reader_at_a_time_and_not_before_it_is_due(service):
    turn = take(service)
    assert take(service, "w2") is None
    record(service, turn, page(cursor="c1"))
    assert take(service, "w2") is None
    service.clock.advance(301)
    assert take(service, "w2") is not None


def reader_of(service, processor, interval_s=5.0):
    return FeedReader(
        lambda: [processor], service.transactions, owner="w1", interval_s=interval_s, patience_max_s=600.0,
        clock=service.clock,
    )  # fmt: skip


class Away:
    """A processor whose feed breaks off after its first page."""

    name, account, capabilities = "alpha", "acct", SimpleNamespace(feed=True)

    def __init__(self):
        self.asked = []

    async def read_feed(self, cursor):
        self.asked.append(cursor)
        if len(self.asked) % 2:
            return page(len(self.asked), cursor=f"c{len(self.asked)}", more=True)
        raise FeedUnreachable("timeout")

    async def close(self):
        pass


def test_a_feed_that_breaks_off_is_read_again_after_an_interval_from_its_last_page(service):
    processor = Away()
    reader = reader_of(service, processor)
    read_at = "SELECT read_to_end_at FROM feeds"
    reader()
    assert take(service, "w2") is None
    service.clock.advance(6)
    reader()
    assert processor.asked == [None, "c1", "c1", "c3"]
    assert len(service.payloads("FactObserved")) == 2
    assert [row[0] for row in service.query(read_at)] == [None], "it is as old as it was"


def test_who_lost_its_turn_does_not_give_back_that_of_another(service):
    old = take(service)
    service.clock.advance(121)
    assert take(service, "w2") is not None
    assert not service.run(partial(leave_feed, old, wait_s=0.0))
    assert take(service, "w3") is None


def test_a_reader_that_lost_its_turn_records_nothing(service):
    old = take(service)
    service.clock.advance(121)
    assert take(service, "w2") is not None
    assert not record(service, old, page(1, cursor="c9"))
    assert service.published() == []


def test_rounds_begin_an_hour_back(service):
    for number in range(30):
        turn = take(service)
        record(service, turn, page(number, cursor=f"c{number}"))
        service.clock.advance(300)
    # 30 rounds of 5 minutes: the newest checkpoint that was an hour old at the last of them is that of round 17.
    assert take(service).cursor == "c17"


def test_after_an_outage_the_hour_before_it_is_read_again(service):
    for number in range(30):
        record(service, take(service), page(number, cursor=f"c{number}"))
        service.clock.advance(300)
    service.clock.advance(5 * 86_400)
    assert take(service).cursor == "c17", "what was listed late just before it stopped is still seen"


def test_a_round_that_stepped_back_and_broke_off_goes_on_from_there(service):
    for number in range(30):
        record(service, take(service), page(number, cursor=f"c{number}"))
        service.clock.advance(300)
    for _ in range(3):
        turn = take(service)
        assert turn.cursor == "c17"
        service.run(partial(leave_feed, turn, wait_s=300.0))
        service.clock.advance(301)
    assert record(service, take(service), page(99, cursor="c18", more=True))
    service.clock.advance(301)
    assert take(service).cursor == "c18", "not begun anew: a feed longer than a round comes to its end"


def test_after_days_without_a_reading_a_feed_is_not_begun_at_its_start(service):
    for number in range(30):
        record(service, take(service), page(number, cursor=f"c{number}"))
        service.clock.advance(300)
    service.clock.advance(5 * 86_400)
    for number in (30, 31):
        turn = take(service)
        record(service, turn, page(number, cursor=f"c{number}"))
        service.clock.advance(301)
    assert turn.cursor == "c29"


class Endless(Away):
    """A processor whose feed always has one more page."""

    async def read_feed(self, cursor):
        self.asked.append(cursor)
        return page(len(self.asked), cursor=f"c{len(self.asked)}", more=True)


def test_a_feed_longer_than_a_turn_is_gone_on_with_at_once(service, monkeypatch):
    monkeypatch.setattr("services.processor.entrypoints.worker.PAGES_MAX", 3)
    processor = Endless()
    reader = reader_of(service, processor)
    assert reader(), "there is more"
    assert reader()
    assert processor.asked == [None, "c1", "c2", "c3", "c4", "c5"]


def test_a_turn_ends_by_the_clock_too_so_that_the_loop_is_seen_to_move(service):
    class Slow(Endless):
        async def read_feed(self, cursor):
            service.clock.advance(3)
            return await super().read_feed(cursor)

    processor = Slow()
    assert reader_of(service, processor)()
    assert processor.asked == [None, "c1"]


def test_a_feed_that_asks_for_more_patience_than_an_interval_gets_it(service):
    class Busy(Away):
        async def read_feed(self, cursor):
            self.asked.append(cursor)
            raise FeedUnreachable("http_429", retry_after_s=60.0)

    processor = Busy()
    reader = reader_of(service, processor)
    for _ in range(3):
        reader()
        service.clock.advance(25)
    assert processor.asked == [None]
    service.clock.advance(25)
    reader()
    assert processor.asked == [None, None]


def test_a_feed_read_every_few_seconds_steps_back_only_now_and_then(service):
    record(service, take(service), page(1, cursor="c1"), interval_s=5)
    service.clock.advance(6)
    assert take(service).cursor == "c1"


def unread(event_id="aevt_1", **named):
    return FeedReject(event_id=event_id, reason="object_unknown", digest="0" * 64, **named)


def test_what_cannot_be_read_is_told_once_by_the_names_it_bears(service):
    turn = take(service)
    named = unread(own_id="aevt_1", object_id="moon_1", reference="op_1", payment_id="pay_1")
    for _ in range(2):
        rejects = (named, unread("digest:" + "0" * 64), unread("aevt_3", own_id="aevt_3", object_id="moon_3"))
        assert record(service, turn, page(1, cursor="c1", more=True, rejects=rejects))
    told = service.payloads("FeedEventUnrecognised")
    assert [event.get("object_id") for event in told] == ["moon_1", None, "moon_3"]
    assert (told[0]["reference"], told[0]["payment_id"]) == ("op_1", "pay_1")
    assert (told[0]["reason"], told[0]["cursor"]) == ("object_unknown", "c1")
    keys = service.query(
        "SELECT key FROM outbox WHERE event_type = 'FeedEventUnrecognised.v1' ORDER BY position"
    )
    assert [key for (key,) in keys] == ["pay_1", "0" * 64, "moon_3"]


class OddFeed(Away):
    """A processor whose feed has two events that nobody can read, each time it is asked."""

    async def read_feed(self, cursor):
        self.asked.append(cursor)
        return page(cursor="c1", rejects=(unread("aevt_1"), unread("aevt_2")))


def test_what_cannot_be_read_is_counted_once(service):
    before = value_of(FEED_UNREADABLE, "alpha")
    reader = reader_of(service, OddFeed())
    for _ in range(2):
        reader()
        service.clock.advance(6)
    assert value_of(FEED_UNREADABLE, "alpha") == before + 2


def test_what_cannot_be_read_is_kept_once(service):
    turn = take(service)
    counted = []
    for _ in range(2):
        read = page(cursor="c1", more=True, rejects=(unread(),))
        service.run(partial(record_page, turn, read, interval_s=300.0, count_rejects=counted.append))
    assert counted == [1, 0]
    assert service.query("SELECT processor_event_id, reason FROM feed_rejects") == [
        ("aevt_1", "object_unknown")
    ]


def test_another_word_about_a_fact_is_published_too_and_once(service):
    one, other = fact(1), replace(fact(1), amount_minor=99)
    assert one.fact_key == other.fact_key
    turn = take(service)
    for _ in range(2):
        read = FeedPage(facts=(one, other), rejects=(), next_cursor="c1", has_more=True)
        assert record(service, turn, read)
    told = [event["fact"]["amount_minor"] for event in service.payloads("FactObserved")]
    assert told == [100, 99]
