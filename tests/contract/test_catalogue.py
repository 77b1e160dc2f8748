"""Owns what the two ways between classes and bytes promise: closed writers, tolerant readers, errors that name the field."""

import threading
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas import catalogue
from schemas.catalogue import ROOT, TOPICS, ContractViolation, UnknownEvent, decode, encode, validate
from schemas.generated import FactV1, HoldReleasedV1, PaymentCapturedV1, WebhookFactReceivedV1

TOPIC = "payment.events"
CAPTURED = "PaymentCaptured.v1"
RELEASED = HoldReleasedV1(
    payment_id="pay_" + "0" * 26,
    merchant_id="mer_" + "0" * 26,
    amount_minor=100,
    currency="EUR",
    reason="final_capture",
)


def example(topic: str, event_type: str, name: str = "full.json") -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(
        (ROOT / "examples" / topic / event_type / name).read_bytes()
    )
    return decoded


def captured(**changes: object) -> PaymentCapturedV1:
    event = decode(TOPIC, CAPTURED, msgspec.json.encode(example(TOPIC, CAPTURED)))
    assert isinstance(event, PaymentCapturedV1)
    return msgspec.structs.replace(event, **changes)


def test_an_event_is_stored_as_its_type_its_schema_and_its_exact_bytes() -> None:
    encoded = encode(TOPIC, captured())
    assert encoded.event_type == CAPTURED
    assert encoded.data_schema == "/schemas/events/payment.events/PaymentCaptured.v1.json"
    assert b'"amount_minor":10000,' in encoded.payload


def test_a_shared_event_names_the_shared_schema() -> None:
    acted = decode(TOPIC, "OperatorActed.v1", msgspec.json.encode(example(TOPIC, "OperatorActed.v1")))
    assert encode(TOPIC, acted).data_schema == "/schemas/events/common/OperatorActed.v1.json"


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"amount_minor": 0}, "amount_minor", "less than the minimum of 1"),
        ({"amount_minor": 2**53}, "amount_minor", "greater than the maximum"),
        ({"amount_minor": 100.0}, "amount_minor", "Expected `int`, got `float`"),
        ({"amount_minor": "100"}, "amount_minor", 'not of type "integer"'),
        ({"currency": "eur"}, "currency", "does not match"),
        ({"currency": "EUR\n"}, "currency", "does not match"),
        ({"payment_id": None}, "payment_id", 'not of type "string"'),
        ({"payment_id": "re_" + "0" * 26}, "payment_id", "does not match"),
        ({"effective_at": datetime(2026, 11, 22, 12, 0, 0)}, "effective_at", "does not match"),  # noqa: DTZ001
        (
            {"effective_at": datetime(2026, 11, 22, tzinfo=timezone(timedelta(hours=1)))},
            "effective_at",
            "does not match",
        ),
        ({"object_id": "cap 1"}, "object_id", "does not match"),
    ],
)
def test_a_writer_is_refused_with_the_field_and_what_was_expected(
    changes: dict[str, object], field: str, expected: str
) -> None:
    with pytest.raises(ContractViolation) as refused:
        encode(TOPIC, captured(**changes))
    assert refused.value.field == field
    assert expected in refused.value.expected


def test_a_refusal_never_repeats_the_value() -> None:
    with pytest.raises(ContractViolation) as refused:
        encode(TOPIC, captured(currency="4242424242424242"))
    assert "4242" not in str(refused.value)


def test_a_fault_inside_a_list_is_named_by_its_place() -> None:
    payload = example("processor.events", "AttemptAnswered.v1")
    payload["facts"][0]["currency"] = "euro"
    with pytest.raises(ContractViolation, match=r"facts\.0\.currency"):
        validate("processor.events", "AttemptAnswered.v1", msgspec.json.encode(payload))


def test_a_fact_has_only_the_statuses_of_its_kind_of_object() -> None:
    fact = example("webhook.events", "WebhookFactReceived.v1")["fact"]
    payload = example("webhook.events", "WebhookFactReceived.v1") | {"fact": fact | {"status": "voided"}}
    with pytest.raises(ContractViolation, match=r"fact\.status"):
        validate("webhook.events", "WebhookFactReceived.v1", msgspec.json.encode(payload))


def test_a_payload_above_the_topics_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(encode(TOPIC, RELEASED).payload)
    for limit, accepted in ((size, True), (size - 1, False)):
        monkeypatch.setattr(catalogue, "TOPICS", {TOPIC: replace(TOPICS[TOPIC], max_payload_bytes=limit)})
        if accepted:
            encode(TOPIC, RELEASED)
            continue
        with pytest.raises(ContractViolation, match=f"payload: at most {limit} bytes"):
            encode(TOPIC, RELEASED)


def test_an_event_of_another_topic_is_unknown() -> None:
    with pytest.raises(UnknownEvent, match=r"ledger\.events has no HoldReleased\.v1"):
        encode("ledger.events", RELEASED)
    with pytest.raises(UnknownEvent, match=r"no\.such has no HoldReleased\.v1"):
        encode("no.such", RELEASED)


def test_a_shape_used_inside_events_is_no_event_itself() -> None:
    fact = decode("webhook.events", "WebhookFactReceived.v1", _received()).fact
    assert isinstance(fact, FactV1)
    with pytest.raises(UnknownEvent, match="FactV1"):
        encode("webhook.events", fact)


def _received(**extra: object) -> bytes:
    return msgspec.json.encode(example("webhook.events", "WebhookFactReceived.v1") | extra)


def test_a_reader_ignores_fields_that_it_does_not_know() -> None:
    event = decode("webhook.events", "WebhookFactReceived.v1", _received(invented_later={"deep": [1.5]}))
    assert isinstance(event, WebhookFactReceivedV1)
    assert event.received_at == datetime(2026, 11, 22, 12, 0, 0, 250000, tzinfo=UTC)


def test_a_reader_takes_a_missing_field_and_a_null_alike() -> None:
    whole = example(TOPIC, CAPTURED)
    missing = {name: value for name, value in whole.items() if name != "operation_id"}
    null = whole | {"operation_id": None}
    read = [decode(TOPIC, CAPTURED, msgspec.json.encode(payload)) for payload in (missing, null)]
    assert read[0] == read[1]
    assert encode(TOPIC, read[0]).payload == encode(TOPIC, read[1]).payload


def test_a_reader_is_not_held_to_the_writers_bounds() -> None:
    loosened = example(TOPIC, CAPTURED) | {"object_id": "with space", "capture_number": 0}
    assert isinstance(decode(TOPIC, CAPTURED, msgspec.json.encode(loosened)), PaymentCapturedV1)


def test_a_reader_refuses_text_that_no_database_can_store_and_says_where() -> None:
    stored = example(TOPIC, CAPTURED)
    for changes, where in (({"merchant_id": "mer_\0"}, "merchant_id"), ({"object_id": "\0"}, "object_id")):
        with pytest.raises(ContractViolation) as refusal:
            decode(TOPIC, CAPTURED, msgspec.json.encode(stored | changes))
        assert (refusal.value.field, refusal.value.code) == (where, "text_not_storable")
    spelled = msgspec.json.encode(stored | {"object_id": "a\\u0000"})
    assert rb"\u0000" in spelled  # six characters of text, and no NUL
    read = decode(TOPIC, CAPTURED, spelled)
    assert isinstance(read, PaymentCapturedV1)
    assert read.object_id == "a\\u0000"


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b"", "payload"),
        (b"{", "payload"),
        (b"\xff\xfe", "payload"),
        (b"[]", "payload"),
        (b'{"payment_id": 7}', "payment_id"),
        (b'{"payment_id": "\xff"}', "payload"),
        (b'{"payment_id":"p","merchant_id":"m","amount_minor":1.0}', "amount_minor"),
        (b'{"payment_id":"p","merchant_id":"m","amount_minor":NaN}', "payload"),
    ],
)
def test_what_cannot_be_read_is_a_contract_violation(payload: bytes, field: str) -> None:
    with pytest.raises(ContractViolation) as refused:
        decode(TOPIC, "HoldReleased.v1", payload)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "event_type", ["PaymentCaptured.v2", "PaymentCaptured", "../x.v1", "", "DeadLettered.v1"]
)
def test_an_unknown_type_or_version_is_told_apart_from_a_broken_one(event_type: str) -> None:
    with pytest.raises(UnknownEvent):
        decode(TOPIC, event_type, b"{}")


@pytest.mark.parametrize(
    "event_type", ["PaymentCaptured.v0", "PaymentCaptured.v01", "paymentCaptured.v1", "A.v1\n"]
)
def test_an_event_type_has_one_spelling(event_type: str) -> None:
    with pytest.raises(UnknownEvent):
        catalogue.split_event_type(event_type)


def test_a_topic_is_created_with_its_own_settings() -> None:
    assert TOPICS[TOPIC].partitions == 6
    assert TOPICS[TOPIC].kafka_config["cleanup.policy"] == "delete"
    assert TOPICS[TOPIC].versioned
    assert not TOPICS["webhook.events"].versioned


def test_topics_of_another_folder_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "topics").mkdir()
    text = (ROOT / "topics/ledger.events.yaml").read_text()
    (tmp_path / "topics/other.yaml").write_text(text.replace("name: ledger.events", "name: other"))
    assert list(catalogue.load_topics(tmp_path)) == ["other"]


def test_one_decoder_is_made_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # msgspec 0.22 keeps what it learns of a class at the class, half done while it learns: two threads that met their
    # first events at the same instant ended the process (webhook_ingest, a few times a day).
    making, together = threading.Barrier(2), []

    class Decoder:
        def __init__(self, _kind: type) -> None:
            with suppress(threading.BrokenBarrierError):
                making.wait(0.3)
                together.append(True)

    monkeypatch.setattr("msgspec.json.Decoder", Decoder)
    names = ("PaymentCaptured.v1", "HoldReleased.v1")
    threads = [threading.Thread(target=catalogue._decoder.__wrapped__, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not together
