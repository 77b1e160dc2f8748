"""Owns the proof that a dead letter of the worst record there can be still fits its own contract.

Otherwise a hostile record would stop the very consumer that tries to set it aside.
"""

from datetime import UTC, datetime

import msgspec
import pytest

from schemas.catalogue import TOPICS, encode
from schemas.generated import DeadLetteredV1
from shared.messaging.broker import Record
from shared.messaging.dead_letters import DeadLetters
from shared.messaging.intake import Unreadable

WORST_TYPE = b"A" * 12_000
RECORDS = [
    pytest.param(b"\x01" * 1_000_000, (("h", b"\x01" * 16_000),), id="large, of control characters"),
    pytest.param(b"\xff" * 1_000_000, (("h", "\u00e9".encode() * 16_000),), id="large, of long characters"),
    pytest.param(b"{}", (("ce_type", WORST_TYPE),), id="a type of 12,000 characters"),
    pytest.param(b"{}", (("ce_type", b""),), id="an empty type"),
    pytest.param(b"{}", tuple((f"{n:x}", b"") for n in range(9_000)), id="thousands of headers"),
    pytest.param(None, (), id="nothing at all"),
]


class Shelf:
    """An outbox that only keeps what it was given."""

    def __init__(self) -> None:
        self.letters: list[msgspec.Struct] = []

    def append(self, _topic: str, event: msgspec.Struct, **_: object) -> str:
        self.letters.append(event)
        return "evt_" + "0" * 26


@pytest.mark.parametrize(("payload", "headers"), RECORDS)
@pytest.mark.parametrize("key", [None, b"", b"\xff", b"k" * 100_000])
def test_any_record_can_be_set_aside(
    payload: bytes | None, headers: tuple[tuple[str, bytes], ...], key: bytes | None
) -> None:
    shelf = Shelf()
    record = Record("processor.events", 0, 0, key, payload, headers)
    letters = DeadLetters(shelf, "payment", datetime(2026, 11, 22, tzinfo=UTC))
    letters.append_unreadable(
        "processor.events.dlq.payment", "processor.events", Unreadable(record, "raw:x:0:0", "r" * 9_000)
    )

    encoded = encode("processor.events.dlq.payment", shelf.letters[0])

    assert isinstance(shelf.letters[0], DeadLetteredV1)
    assert len(encoded.payload) <= TOPICS["processor.events.dlq.payment"].max_payload_bytes
