"""What the strict reader refuses, by code, and what it lets through."""

import pytest
from pydantic import Field

from shared.kernel.errors import Rejected
from shared.persistence.idempotency import fingerprint_of
from shared.runtime.idempotent_http import wish_of
from shared.runtime.models import ApiModel, read_model
from shared.runtime.strict_json import DEPTH_MAX, INTEGER_MAX, read_object


class Body(ApiModel):
    amount: int = Field(gt=0)
    currency: str
    reference: str | None = None
    metadata: dict[str, str] = Field(default_factory=dict)


REFUSED = [
    (b"", 400, "json_malformed", None),
    (b"{", 400, "json_malformed", None),
    (b"[]", 400, "json_not_object", None),
    (b"null", 400, "json_not_object", None),
    (b"7", 400, "json_not_object", None),
    (b'{"a":1,}', 400, "json_malformed", None),
    (b"{'a':1}", 400, "json_malformed", None),
    (b'{"a":"\x01"}', 400, "json_malformed", None),
    (b'{"a":01}', 400, "json_malformed", None),
    (b'{"a":+1}', 400, "json_malformed", None),
    (b'{"a":1} {"a":1}', 400, "json_malformed", None),
    (b'\xef\xbb\xbf{"a":1}', 400, "json_malformed", None),
    (b'{"a":"\xff"}', 400, "body_not_utf8", None),
    (b'{"a":"\xed\xa0\x80"}', 400, "body_not_utf8", None),
    (b'{"a":1,"a":1}', 400, "json_duplicate_key", "a"),
    (b'{"a":1,"b":{"c":1,"c":2}}', 400, "json_duplicate_key", "c"),
    (b'{"a":1,"\\u0061":2}', 400, "json_duplicate_key", "a"),
    (b'{"a":NaN}', 400, "number_not_finite", "a"),
    (b'{"a":Infinity}', 400, "number_not_finite", "a"),
    (b'{"a":-Infinity}', 400, "number_not_finite", "a"),
    (b'{"a":1e400}', 422, "number_not_integer", "a"),
    (b'{"a":100.0}', 422, "number_not_integer", "a"),
    (b'{"a":1E2}', 422, "number_not_integer", "a"),
    (b'{"a":{"b":[1,2,0.5]}}', 422, "number_not_integer", "a.b[2]"),
    (b'{"a":-0}', 422, "number_negative_zero", "a"),
    (b'{"a":-0.0}', 422, "number_not_integer", "a"),
    (b'{"a":9007199254740992}', 422, "number_too_large", "a"),
    (b'{"a":-9007199254740992}', 422, "number_too_large", "a"),
    (b'{"a":9223372036854775808}', 422, "number_too_large", "a"),
    (b'{"a":' + b"9" * 50_000 + b"}", 422, "number_too_large", "a"),
    (b'{"a":"x\\u0000y"}', 422, "text_not_storable", "a"),
    (b'{"a":"\\ud800"}', 422, "text_not_storable", "a"),
    (b'{"a":"\\udc00\\ud800"}', 422, "text_not_storable", "a"),
    (b'{"\\u0000":"a"}', 422, "text_not_storable", None),
    (b'{"a":"4111111111111111"}', 422, "card_number_refused", "a"),
    (b'{"a":"my card is 4111 1111 1111 1111, thanks"}', 422, "card_number_refused", "a"),
    (b'{"a":"4111-1111-1111-1111"}', 422, "card_number_refused", "a"),
    (b'{"a":"\\u0034111111111111111"}', 422, "card_number_refused", "a"),
    (b'{"a":{"b":["378282246310005"]}}', 422, "card_number_refused", "a.b[0]"),
    (b'{"4111111111111111":"a"}', 422, "card_number_refused", None),
    ('{"a":"٤١١١١١١١١١١١١١١١"}'.encode(), 422, "card_number_refused", "a"),
    (b"[" * 100_000, 400, "json_too_deep", None),
    (b'{"a":' * 100_000, 400, "json_too_deep", None),
    (b'{"a":' + b"[" * DEPTH_MAX + b"]" * DEPTH_MAX + b"}", 400, "json_too_deep", None),
]


@pytest.mark.parametrize(("raw", "status", "code", "param"), REFUSED, ids=lambda v: str(v)[:40])
def test_what_is_ambiguous_or_disguised_is_refused_and_named(raw, status, code, param):
    with pytest.raises(Rejected) as caught:
        read_object(raw)
    refused = caught.value
    assert (refused.status, refused.code, refused.param) == (status, code, param)
    assert not refused.stored, "the idempotency key must stay free"


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b'{"a":0}',
        b'{"a":%d}' % INTEGER_MAX,
        b'{"a":"[[[[[[[[[[[[[[[[[[[[[[[[[["}',
        b'{"a":"\\"[[[[[[[[[[[[[[[[[[[[[[["}',
        b'{"a":"\\ud83d\\ude00"}',
        '{"a":"Zoë €"}'.encode(),
        b'{"a":"550e8400-e29b-41d4-a716-446655440000"}',
        b'{"a":"ord-2026-11-23-000000000001"}',
    ],
)
def test_honest_documents_pass(raw):
    read_object(raw)


@pytest.mark.parametrize(
    ("raw", "code", "param"),
    [
        (b'{"amount":"100","currency":"EUR"}', "field_invalid", "amount"),
        (b'{"amount":true,"currency":"EUR"}', "field_invalid", "amount"),
        (b'{"amount":null,"currency":"EUR"}', "field_invalid", "amount"),
        (b'{"amount":0,"currency":"EUR"}', "field_invalid", "amount"),
        (b'{"amount":-5,"currency":"EUR"}', "field_invalid", "amount"),
        (b'{"amount":5,"currency":978}', "field_invalid", "currency"),
        (b'{"amount":5}', "field_missing", "currency"),
        (b'{"amount":5,"currency":"EUR","amout":5}', "field_unknown", "amout"),
        (b'{"amount":5,"currency":"EUR","metadata":{"a":1}}', "field_invalid", "metadata.a"),
    ],
)
def test_models_are_closed_and_strict_and_name_the_field(raw, code, param):
    with pytest.raises(Rejected) as caught:
        read_model(Body, raw)
    assert (caught.value.status, caught.value.code, caught.value.param) == (422, code, param)


def test_refusals_never_echo_the_value():
    with pytest.raises(Rejected) as caught:
        read_model(Body, b'{"amount":5,"currency":"EUR","reference":"4111111111111111"}')
    assert "4111" not in str(caught.value)


def test_a_fingerprint_stays_what_it_was_in_keys_that_are_kept():
    body = {"amount": 1999, "name": "Zoë", "none": None, "empty": {}, "nested": {"b": [1, 2.5], "a": True}}
    found = fingerprint_of("POST", "/things/{id}", {"id": "th_1"}, body)
    assert found.digest.hex() == "58f11952815dc5d8c17389669951d4970b60c386dc984476d5b5e34a754017ce"
    assert found.fields == {
        "path.id": "e0e1aee98e833c6eb596c7b1",
        "amount": "ce8457d59078a699acb70416",
        "name": "f871740dcf025bc0dc7aafdc",
        "none": "74234e98afe7498fb5daf1f3",
        "empty": "44136fa355b3678a1146ad16",
        "nested": "eeb1f9faa9f780c1474e8420",
    }


class LaterBody(Body):
    """What a later release asks of the same request, at most."""

    expires_after_days: int = 30
    channel: str | None = None


def test_a_field_that_a_later_release_adds_does_not_make_a_retry_another_request():
    """The same bytes, first sent to the old release and again to the new one, after a rolling restart cut the reply off."""
    raw = b'{"amount":5,"currency":"EUR"}'
    first, again = (wish_of(read_model(model, raw)) for model in (Body, LaterBody))
    assert fingerprint_of("POST", "/things", {}, first) == fingerprint_of("POST", "/things", {}, again)
    said = wish_of(read_model(LaterBody, b'{"amount":5,"currency":"EUR","channel":"shop"}'))
    assert fingerprint_of("POST", "/things", {}, first) != fingerprint_of("POST", "/things", {}, said)
