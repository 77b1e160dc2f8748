"""The two processes of the latency figure: the shared relay, and the shared consumer telling when effects committed.

Addresses come on standard input, because they hold passwords.
"""

import json
import signal
import sys
import threading
import time
from typing import Any

from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidIds
from shared.kernel.jitter import Jitter
from shared.messaging.consumer import ConsumerLoop
from shared.messaging.envelope import Event
from shared.messaging.kafka import KafkaBroker
from shared.messaging.observer import SilentConsumerObserver
from shared.messaging.relay import Relay
from shared.messaging.routes import Routes
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Transactions
from shared.testing.messaging_bench import CONSUMER, SUBSCRIPTION, BenchUnit, decode, encode


class Told(SilentConsumerObserver):
    """Prints when numbers were received and when they took effect, as soon as their COMMIT has returned."""

    def __init__(self) -> None:
        self.handled: list[int] = []

    def batch(self, records: int, duration_s: float) -> None:  # noqa: ARG002
        now = time.time()
        print(json.dumps(dict.fromkeys(self.handled, (now - duration_s, now))), flush=True)
        self.handled.clear()


def main() -> None:
    """Run the role that the command line names until SIGTERM."""
    order = json.loads(sys.stdin.readline())
    broker = KafkaBroker(order["bootstrap"], topic_prefix=order["prefix"], client_id="bench")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    role = _relay(order, broker) if sys.argv[1] == "relay" else _consumer(order, broker)
    print("ready", flush=True)
    role.run(stop)


def _relay(order: dict[str, str], broker: KafkaBroker) -> Relay:
    engine = make_engine(order["relay"], application_name="bench-relay", pool_size=2)
    return Relay(engine, broker, owner_id=UlidIds().new("own_"), clock=SystemClock(), jitter=Jitter())


def _consumer(order: dict[str, str], broker: KafkaBroker) -> ConsumerLoop[BenchUnit]:
    told = Told()

    def handle(event: Event, uow: BenchUnit) -> None:
        uow.effects.append(event)
        told.handled.append(event.data.number)

    transactions: Transactions[Any] = Transactions(
        make_engine(order["app"], application_name="bench-consumer", pool_size=2),
        BenchUnit,
        source="/tieout/bench",
        clock=SystemClock(),
        ids=UlidIds(),
        encode=encode,
    )
    return ConsumerLoop(
        broker,
        transactions,
        Routes(consumer=CONSUMER, handlers=dict.fromkeys(SUBSCRIPTION.handled, handle)),
        clock=SystemClock(),
        jitter=Jitter(),
        subscription=SUBSCRIPTION,
        decode=decode,
        observer=told,
    )


if __name__ == "__main__":
    main()
