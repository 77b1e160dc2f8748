"""Pages of feeds and lists that are too large: read all the same, with fewer events, down to one."""

import asyncio
import contextlib
from datetime import UTC, datetime

import pytest

from services.processor.adapters.processors.alpha_http import AlphaProcessor
from services.processor.adapters.processors.beta_http import BetaProcessor
from services.processor.adapters.processors.exchange import PAGE_BYTES_MAX, RESPONSE_BYTES_MAX
from services.processor.app.ports import FeedUnreachable
from services.processor.domain.operation import Operation
from services.processor.domain.outcome import Found
from services.processor.tests.scripted_server import Script, reply
from shared.kernel.clock import SystemClock

SALE = Operation(
    operation_id="op_1", payment_id="pay_1", kind="authorize", processor="beta", account="acct",
    amount_minor=100, currency="EUR", payment_method="pm_card_visa", sale=True,
)  # fmt: skip
SENT_AT = datetime(2026, 1, 1, tzinfo=UTC)


class Feed:
    """A server of a feed whose events have these sizes, and what it was asked for."""

    def __init__(self, sizes):
        self.sizes = sizes
        self.limits = []
        self.script = Script(self.act)

    async def act(self, _reader, writer):
        path, _, query = self.script.requests[-1].split(b" ")[1].decode().partition("?")
        asked = dict(part.split("=") for part in query.split("&"))
        limit, after = int(asked["limit"]), int(asked.get("after", 0))
        self.limits.append(limit)
        shown = self.sizes[after : after + limit]
        events = [
            {"id": f"evt_{after + n}", "notice_id": f"evt_{after + n}", "pad": "x" * size}
            for n, size in enumerate(shown)
        ]
        end, more = after + len(shown), after + len(shown) < len(self.sizes)
        alphas = {"data": events, "next_cursor": str(end), "has_more": more}
        page = alphas if path.endswith("/events") else {"notices": events, "next": str(end), "more": more}
        # Whoever has read enough hangs up.
        with contextlib.suppress(ConnectionError):
            writer.write(reply(200, page))
            await writer.drain()


def read(feed, act, maker):
    async def run():
        server = await asyncio.start_server(feed.script, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        processor = maker(
            base_url=f"http://127.0.0.1:{port}/x", api_key="key", account="acct", total_timeout_s=10.0,
            connections=2, **({"clock": SystemClock()} if maker is BetaProcessor else {}),
        )  # fmt: skip
        try:
            return await act(processor)
        finally:
            await processor.close()
            server.close()
            await asyncio.gather(*feed.script.tasks, return_exceptions=True)

    return asyncio.run(run())


async def whole(processor):
    """Every event's id, page by page as the reader of feeds goes on."""
    seen, cursor = [], None
    while True:
        page = await processor.read_feed(cursor)
        seen += [reject.event_id for reject in page.rejects]
        if not page.has_more:
            return seen
        cursor = page.next_cursor


@pytest.mark.parametrize("maker", [AlphaProcessor, BetaProcessor])
def test_a_page_of_large_events_is_read_with_fewer_of_them_and_small_ones_with_many_again(maker):
    large = PAGE_BYTES_MAX // 3
    feed = Feed([10] * 5 + [large] * 6 + [10] * 900)
    assert read(feed, whole, maker) == [f"evt_{n}" for n in range(911)]
    most = feed.limits[0]
    assert min(feed.limits) <= 2
    assert feed.limits[-1] == most, "small events are read by whole pages again"


@pytest.mark.parametrize("maker", [AlphaProcessor, BetaProcessor])
def test_one_event_that_is_larger_than_any_page_stops_the_feed_and_says_so(maker):
    feed = Feed([10, PAGE_BYTES_MAX + 1, 10])
    with pytest.raises(FeedUnreachable, match="too_large"):
        read(feed, whole, maker)
    assert feed.limits[-1] == 1


@pytest.mark.parametrize("maker", [AlphaProcessor, BetaProcessor])
def test_a_page_may_be_larger_than_any_other_answer(maker):
    feed = Feed([RESPONSE_BYTES_MAX, RESPONSE_BYTES_MAX])
    assert read(feed, whole, maker) == ["evt_0", "evt_1"]
    assert len(feed.limits) == 1


def test_a_look_up_reads_large_pages_of_the_list_to_their_end():
    feed = Feed([PAGE_BYTES_MAX // 3] * 4)
    looking = read(feed, lambda beta: beta.look_up(SALE, since=SENT_AT), BetaProcessor)
    assert looking.found is Found.UNREACHABLE, "what cannot be read could be ours"
    assert looking.error_code == "shape:merchant_code_invalid"
