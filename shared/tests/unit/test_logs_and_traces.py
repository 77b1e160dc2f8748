"""Logs keep ids and lose secrets; a trace goes in by header and comes out by header."""

import logging

import orjson
import pytest
import structlog

from shared.runtime.logs import REDACTED, configure_logs, redact
from shared.runtime.metric_names import ALL, Kind
from shared.runtime.tracing import (
    attach_trace,
    continued_trace,
    current_trace_id,
    current_traceparent,
    detach_trace,
    parse_traceparent,
)

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_secrets_bodies_and_card_numbers_never_reach_a_line():
    line = redact(
        None,
        "info",
        {
            "event": "paid with 4111 1111 1111 1111",
            "event_id": "evt_1",
            "authorization": "Bearer sk_test_1",
            "body": b'{"amount":1}',
            "payload": {"a": 1},
            "token": "t",
            "exception": "ValueError: 4111111111111111",
            "extra": {"password": "p", "n": "378282246310005"},
            "raw": b"4111111111111111",
        },
    )
    text = str(line)
    assert line["event_id"] == "evt_1"
    assert line["authorization"] == line["body"] == line["payload"] == line["token"] == REDACTED
    for secret in ("4111 1111 1111", "41111111", "sk_test_1", "amount", "'p'", "3782822463"):
        assert secret not in text, secret


def test_a_trace_is_continued_as_a_new_span():
    with continued_trace(TRACEPARENT):
        assert current_trace_id() == "4bf92f3577b34da6a3ce929d0e0e4736"
        inside = current_traceparent()
        assert inside.startswith("00-4bf92f3577b34da6a3ce929d0e0e4736-")
        assert inside != TRACEPARENT
    assert current_traceparent() is None


def test_without_a_header_a_trace_begins():
    token = attach_trace(None)
    try:
        assert parse_traceparent(current_traceparent()) is not None
    finally:
        detach_trace(token)


@pytest.mark.parametrize(
    "text",
    [None, "", "x", TRACEPARENT + "-00", TRACEPARENT.upper(), TRACEPARENT.replace("00-4bf", "ff-4bf"),
     "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01"],
)  # fmt: skip
def test_a_malformed_traceparent_counts_as_absent(text):
    assert parse_traceparent(text) is None


def test_every_metric_is_listed_once_and_says_what_it_counts():
    assert len({metric.name for metric in ALL}) == len(ALL) > 30
    for metric in ALL:
        assert metric.text.endswith("."), metric.name
        assert len(metric.text) > 20, metric.name
        assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total"), metric.name
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM), metric.name
        if "rate" in metric.text.lower():
            assert " over " in metric.text, f"{metric.name}: a rate needs its denominator"


def test_a_line_of_json_is_written_whole_with_its_logger_level_and_service(capsys):
    before = structlog.get_config()
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        configure_logs(service="payment")
        structlog.get_logger("shared.example").info("request", status=201, token="t")
        structlog.get_logger("shared.example").debug("never")
        logging.getLogger("library").warning("told by a library")
    finally:
        structlog.configure(**before)
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)
    ours, theirs = map(orjson.loads, capsys.readouterr().err.splitlines())
    assert ours.pop("timestamp")
    assert ours == {
        "event": "request",
        "level": "info",
        "logger": "shared.example",
        "service": "payment",
        "status": 201,
        "token": REDACTED,
    }
    assert (theirs["event"], theirs["logger"], theirs["service"]) == (
        "told by a library",
        "library",
        "payment",
    )
