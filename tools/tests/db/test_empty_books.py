"""Who counts from nothing is told in one line that the servers which were given have been used."""

import pytest

from shared.messaging.kafka import KafkaBroker
from tools.auditor.addresses import Addresses
from tools.local_stack.empty_books import require_empty_books
from tools.local_stack.layout import StackError
from tools.tests.db.conftest import Bench

pytestmark = [pytest.mark.db, pytest.mark.kafka]


def require(addresses: Addresses) -> None:
    broker = KafkaBroker(addresses.kafka_bootstrap, topic_prefix=addresses.topic_prefix)
    require_empty_books(addresses.database("payment"), broker)


def test_used_databases_and_used_topics_are_told_and_what_is_empty_is_not(
    bench: Bench, elsewhere: Bench
) -> None:
    with pytest.raises(
        StackError, match=r"payments of an earlier run: drop its databases .*payment, "
    ) as told:
        require(elsewhere.addresses)
    assert "\n" not in str(told.value)
    bench.plant("payment", "DELETE FROM payments")
    try:
        with pytest.raises(StackError, match=r"payment\.events .* has records .*TIEOUT_KAFKA_TOPIC_PREFIX"):
            require(bench.addresses)
        require(elsewhere.addresses)
    finally:
        bench.history.write("payment", bench.admin["payment"])
