"""The start-up check on topics: as declared in the contract, and never made by accident."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from schemas import catalogue
from shared.messaging.broker import Broker
from shared.messaging.topics import check_topics
from shared.runtime.startup import StartupCheck, check


def topic_check(
    make_broker: Callable[[], Broker], topics: Mapping[str, catalogue.Topic] = catalogue.TOPICS
) -> StartupCheck:
    """Relays and consumers refuse to start on topics that differ from their files; HTTP alone needs no broker."""

    def run() -> None:
        check_topics(make_broker(), topics)

    return check("topics", run, "relay", "consume")
