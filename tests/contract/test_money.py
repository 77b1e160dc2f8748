"""Owns the proof that no reader, of whatever service, takes money that nobody may state: by amount and by currency."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from schemas import generated
from schemas.catalogue import ROOT, TOPICS, ContractViolation, decode, encode
from shared.kernel.money import all_currencies

MAX_MINOR = 2**53 - 1
NO_CURRENCIES = ("euro", "EURO", "eur", "EUR\n", "", "ABC", "XAU", "XXX", "4242424242424242")
Place = tuple[str | int, ...]


def examples() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path in sorted((ROOT / "examples").glob("*/*/*.json")):
        yield path.parts[-3], path.parts[-2], msgspec.json.decode(path.read_bytes())


def places(value: Any, ends: tuple[str, ...], at: Place = ()) -> Iterator[Place]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, held in inner:
        if isinstance(name, str) and name.endswith(ends) and held is not None:
            yield (*at, name)
        yield from places(held, ends, (*at, name))


def changed(value: Any, at: Place, to: object) -> Any:
    if not at:
        return to
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = changed(value[at[0]], at[1:], to)
    return copy


def refusal(topic: str, event_type: str, payload: object) -> ContractViolation | None:
    try:
        decode(topic, event_type, msgspec.json.encode(payload))
    except ContractViolation as refused:
        return refused
    return None


MONEY = [(*told, at) for told in examples() for at in places(told[2], ("currency",))]
AMOUNTS = [(*told, at) for told in examples() for at in places(told[2], ("_minor",))]


def test_readers_know_the_currencies_that_money_is_counted_in() -> None:
    captured = next(payload for _, name, payload in examples() if name == "PaymentCaptured.v1")
    for code in all_currencies():
        decode("payment.events", "PaymentCaptured.v1", msgspec.json.encode(captured | {"currency": code}))


def test_no_event_of_any_topic_is_read_in_a_currency_that_nobody_can_count() -> None:
    assert {topic for topic, *_ in MONEY} >= {
        "payment.events",
        "processor.commands",
        "processor.events",
        "reconciliation.events",
        "webhook.events",
    }
    for topic, event_type, payload, at in MONEY:
        for code in NO_CURRENCIES:
            refused = refusal(topic, event_type, changed(payload, at, code))
            assert refused is not None, (topic, event_type, at, code)
            assert refused.code == "currency_unknown", (topic, event_type, at, code)
            assert len(code) < len("4242") or code not in str(refused)


def test_no_event_of_any_topic_is_read_with_an_amount_beyond_its_bounds() -> None:
    for topic, event_type, payload, at in AMOUNTS:
        bounds = least(topic, event_type, at)
        beyond = [(bounds - 1, {1: "amount_not_positive", 0: "amount_negative"}.get(bounds))]
        if bounds > 0:
            beyond.append((-MAX_MINOR, "amount_not_positive"))
        beyond += [(MAX_MINOR + 1, "amount_too_large"), (10**30, "amount_too_large")]
        for amount, code in beyond:
            # The encoder writes no integer of more than 64 bits; a stranger's may.
            text = msgspec.json.encode(changed(payload, at, "AMOUNT")).replace(
                b'"AMOUNT"', str(amount).encode()
            )
            with pytest.raises(ContractViolation) as refused:
                decode(topic, event_type, text)
            assert refused.value.code == (code or "amount_too_large"), (topic, event_type, at, amount)


def least(topic: str, event_type: str, at: Place) -> int:
    """What the writer's schema says is the least."""
    for folder in (topic, "common"):
        file = ROOT / "events" / folder / f"{event_type}.json"
        if file.exists():
            break
    schema = msgspec.json.decode(file.read_bytes())
    shared = msgspec.json.decode((ROOT / "events/common/types.json").read_bytes())["$defs"]
    for name in at:
        schema = schema["items"] if isinstance(name, int) else schema["properties"][name]
        reference = schema.get("$ref", "")
        if "#" in reference:
            schema = shared[reference.rpartition("/")[2]]
        elif reference:
            schema = msgspec.json.decode((ROOT / "events/common" / reference.rpartition("/")[2]).read_bytes())
    minimum: int = schema["minimum"]
    return minimum


def test_every_amount_and_currency_of_every_class_is_bounded() -> None:
    fields = re.findall(
        r"^    (\w*(?:_minor|currency)): (.*)$", (ROOT / "generated.py").read_text(), re.MULTILINE
    )
    bounded = {"AmountMinor", "AmountMinorOrZero", "SignedMinor", "Currency"}
    assert len(fields) > 100
    assert {kind.partition(" ")[0] for _, kind in fields} == bounded


def test_a_writer_is_refused_a_currency_that_no_reader_knows() -> None:
    captured = next(payload for _, name, payload in examples() if name == "PaymentCaptured.v1")
    event = msgspec.convert(captured, generated.PaymentCapturedV1)
    with pytest.raises(ContractViolation) as refused:
        encode("payment.events", msgspec.structs.replace(event, currency="ABC"))
    assert refused.value.code == "currency_unknown"
    assert "payment.events" in TOPICS
