"""A relay in a process of its own, for tests that stop and wake it: argv is database URL, brokers, prefix, owner."""

import sys
import threading

from shared.kernel.clock import SystemClock
from shared.kernel.jitter import Jitter
from shared.messaging.kafka import KafkaBroker
from shared.messaging.relay import Relay
from shared.persistence.engine import make_engine


def main() -> None:
    url, bootstrap, prefix, owner_id, lease_ttl_s = sys.argv[1:]
    engine = make_engine(url, application_name=owner_id, pool_size=2)
    relay = Relay(
        engine,
        KafkaBroker(bootstrap, topic_prefix=prefix),
        owner_id=owner_id,
        clock=SystemClock(),
        jitter=Jitter(),
        lease_ttl_s=float(lease_ttl_s),
    )
    relay.run(threading.Event())


if __name__ == "__main__":
    main()
