"""The timeline in words: every kind of entry is one line, also one that this release does not know."""

from __future__ import annotations

import io
import socket
import threading
from contextlib import closing
from typing import Any

import pytest
from rich.console import Console

from tools import timeline
from tools.local_stack.layout import StackError
from tools.timeline import fetch_timeline, line_of, print_timeline

AT = "2026-11-20T10:00:00.123456Z"
ENTRIES: list[tuple[dict[str, Any], str]] = [
    ({"kind": "request", "id": "req_1"}, "req_1"),
    (
        {
            "kind": "request", "id": "req_1", "endpoint": "POST /payments", "key_digest": "ab" * 32, "status": 201,
            "replays": 2,
        },
        "req_1 POST /payments, key abababababab…, answered 201, came again 2 times",
    ),
    (
        {"kind": "transition", "subject": "payment", "id": "pay_1", "from": None, "to": "CREATED", "implied": False},
        "payment pay_1: (new) -> CREATED",
    ),
    (
        {"kind": "transition", "subject": "operation", "id": "op_1", "from": "REQUESTED", "to": "SENT", "implied": True},
        "operation op_1: REQUESTED -> SENT  (implied)",
    ),
    (
        {
            "kind": "evidence", "source": "webhook", "object_type": "capture", "object_id": "cap_1",
            "status": "succeeded", "amount": 100, "currency": "EUR", "verdict": "applied",
        },
        "webhook says capture cap_1 is succeeded, 100 EUR: applied",
    ),
    (
        {"kind": "decision", "id": "dec_1", "outcome": "return", "subject": "str_1", "state": "applied", "by": "bob",
         "reason": "agreed"},
        "dec_1 return of str_1 applied by bob: agreed",
    ),
    (
        {
            "kind": "case", "id": "case_1", "step": "opened", "reason": "stray_found", "exposure": 5, "currency": "EUR",
            "words": None, "follows": None,
        },
        "case_1 stray_found opened, exposure 5 EUR",
    ),
    (
        {
            "kind": "case", "id": "case_1", "step": "changed", "reason": "stray_found", "exposure": 3, "currency": "EUR",
            "words": "2 came back", "follows": "case_0",
        },
        "case_1 stray_found changed, exposure 3 EUR, follows case_0: 2 came back",
    ),
    (
        {
            "kind": "case", "id": "case_1", "step": "closed", "reason": "stray_found", "closed_by": "ann",
            "closed_reason": "known",
        },
        "case_1 stray_found closed by ann: known",
    ),
    ({"kind": "something_newer", "at": AT, "id": "x_1", "note": None}, "id x_1"),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "line"), ENTRIES)
def test_an_entry_is_one_line(entry: dict[str, Any], line: str) -> None:
    assert line_of(entry) == line


def test_days_times_and_causes_are_shown() -> None:
    output = io.StringIO()
    story = {
        "payment": "pay_1", "status": "CAPTURED",
        "data": [{**entry, "at": AT, "cause_id": "evt_[7]"} for entry, _ in ENTRIES],
    }  # fmt: skip
    print_timeline(Console(file=output, width=200), story)
    lines = output.getvalue().splitlines()
    assert lines[:2] == ["pay_1  CAPTURED", "2026-11-20"]
    assert len(lines) == 2 + len(ENTRIES)
    assert lines[2].startswith("  10:00:00.123")
    assert "<- evt_" in lines[2]


def test_what_a_merchant_wrote_is_no_line_of_its_own() -> None:
    output = io.StringIO()
    written = "x\n  10:00:05.000  decision    dec_1 return of str_1 applied by bob \x1b[2K[black on black]"
    note = {"kind": "cancel_reason", "at": AT, "detail": written, "cause_id": "req_1\nreq_2"}
    print_timeline(Console(file=output, width=200), {"payment": "pay_1", "status": "x\ny", "data": [note]})
    lines = output.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0] == r"pay_1  x\ny"
    assert r"x\n  10:00:05.000  decision" in lines[2]
    assert r"\x1b[2K[black on black]" in lines[2]
    assert lines[2].endswith(r"<- req_1\nreq_2")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "timed out"),
        (b"", "Remote end closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "IncompleteRead"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "is no payment service"),
        (b"HTTP/1.1 404 x\r\nContent-Length: 5\r\n\r\n\xff\x1b[2K", r"answered 404: �\x1b[2K"),
    ],
)
def test_who_does_not_answer_is_told_of_in_words(
    answer: bytes | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "TIMEOUT_S", 0.3)
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        asked = threading.Thread(target=_answer, args=(listening, answer))
        asked.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(StackError) as told:
            fetch_timeline("pay_" + "0" * 26, url=url, token="t")
        asked.join()
    assert said in str(told.value)


def _answer(listening: socket.socket, answer: bytes | None) -> None:
    connection, _ = listening.accept()
    with closing(connection):
        connection.recv(65_536)
        if answer is None:
            connection.settimeout(5)
            connection.recv(1)  # until whoever asked has had enough
        else:
            connection.sendall(answer)


@pytest.mark.parametrize(
    ("payment", "url", "token"),
    [
        ("pay_1", None, None),
        ("pay_" + "0" * 26, "ftp://x", "t"),
        ("pay_" + "0" * 26, "http://127.0.0.1:9", None),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_words(
    payment: str, url: str | None, token: str | None
) -> None:
    with pytest.raises(StackError):
        fetch_timeline(payment, url=url, token=token)
