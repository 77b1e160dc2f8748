"""An authentic body is a fact, or says why it is none and what could be told of it; only hostile nesting is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.webhook_ingest.domain import beta_facts
from services.webhook_ingest.domain.alpha_facts import fact_of_event
from services.webhook_ingest.domain.rate_cap import RateCap
from services.webhook_ingest.domain.reading import BETA_NAMES, LEVELS_MAX, TooDeep, read
from services.webhook_ingest.settings import secrets_of

CAPTURE = {
    "id": "cap_1", "object": "capture", "account": "acct", "authorization": "auth_1", "status": "succeeded",
    "version": 2, "amount": 100, "currency": "eur", "reference": "op_1", "metadata": {"payment": "pay_1"},
    "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T01:00:00+01:00",
}  # fmt: skip
EVENT = {"id": "aevt_1", "type": "capture.succeeded", "account": "acct", "data": {"object": CAPTURE}}


def reading(event):
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return read(body, account="acct", read_event=fact_of_event)


def test_an_event_is_read_into_its_fact():
    got = reading(EVENT)
    assert got.reason is None
    assert got.fact.fact_key == "alpha:acct:cap_1:succeeded:2"
    assert (got.fact.currency, got.fact.occurred_at.isoformat()) == ("EUR", "2026-01-01T00:00:00+00:00")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"object": "payout"}, "object_unknown"), ({"status": "authorized"}, "status_unknown"),
        ({"amount": 1.0}, "amount_invalid"), ({"amount": True}, "amount_invalid"), ({"amount": -1}, "amount_invalid"),
        ({"amount": "100"}, "amount_invalid"), ({"amount": 2**53 + 1}, "amount_invalid"),
        ({"currency": "EURO"}, "currency_invalid"), ({"id": "cap 1"}, "id_invalid"), ({"id": "cap\x001"}, "id_invalid"),
        ({"id": "x" * 256}, "id_invalid"), ({"account": "acct_2"}, "account_foreign"),
        ({"authorization": None}, "authorization_invalid"), ({"version": 1.5}, "version_invalid"),
        ({"updated_at": "yesterday"}, "updated_at_invalid"), ({"updated_at": "2026-01-01T00:00:00"}, "updated_at_invalid"),
    ],
)  # fmt: skip
def test_what_is_no_fact_says_why_and_still_names_what_it_is_about(changes, reason):
    got = reading(EVENT | {"data": {"object": CAPTURE | changes}})
    assert (got.fact, got.reason, got.payment_id, got.reference) == (None, reason, "pay_1", "op_1")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"), (b"\xff\xfe", "not_json"), (b"[1]", "object_missing"), (b'{"id":"a","id":"b"}', "duplicate_key"),
        (b'{"a":NaN}', "not_a_number"), (b"9" * 5_000, "not_json"), (b"[" * LEVELS_MAX, "not_json"),
    ],
)  # fmt: skip
def test_bodies_that_are_no_document(body, reason):
    got = reading(body)
    assert got.reason == reason
    assert got.event_id.startswith("digest:")


READERS = {
    "alpha": {"read_event": fact_of_event},
    "beta": {"read_event": beta_facts.fact_of_notice, "names": BETA_NAMES},
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000, b'{"a":' * 40_000, b'{"id":"evt_1","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[" * (LEVELS_MAX + 1) + b"]" * (LEVELS_MAX + 1), ('["\\"",' + "[" * 60_000).encode("utf-16"),
    ],
)  # fmt: skip
def test_a_body_nested_as_no_event_is_is_refused_unread_whoever_signed_it(reader, body):
    with pytest.raises(TooDeep) as refused:
        read(body, account="acct", **reader)
    assert refused.value.reason == "json_too_deep"


def test_a_shape_that_we_do_not_know_is_kept_down_to_the_last_level():
    deep = json.loads("[" * (LEVELS_MAX - 1) + "]" * (LEVELS_MAX - 1))
    assert reading({"id": "aevt_2", "shape": deep}).event_id == "aevt_2"
    assert reading(EVENT | {"note": "[" * 10_000}).reason is None, "brackets in a text are no levels"


@given(body=st.binary(max_size=200))
def test_no_body_makes_the_reader_raise(body):
    reading(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["id", "data", "object", "account", "metadata"]), inner)
        ),
    )
)
def test_no_document_makes_the_reader_raise(document):
    reading(document)


def test_the_cap_keeps_a_minute_s_worth_and_grows_back():
    cap = RateCap(per_minute=3)
    assert [cap.take(0.0) for _ in range(5)] == [True, True, True, False, False]
    assert cap.take(20.0)
    assert not cap.take(20.0)


def test_secrets_are_read_with_their_ends_and_never_quoted_in_errors():
    first, second = secrets_of("a" * 16 + "@2026-12-31T00:00:00Z, " + "b" * 16)
    assert first[1] is not None
    assert second[1] is None
    for wrong in ("short", "s" * 16 + "@someday", "s" * 16 + "@2026-12-31"):
        with pytest.raises(ValueError, match=r"end|secret") as error:
            secrets_of(wrong)
        assert "sss" not in str(error.value)
