"""`tieout timeline`: a payment's whole story for a person, one line per thing that happened."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from rich.console import Console
from rich.markup import escape

from shared.kernel.visible import visible
from tools.local_stack.layout import StackError, layout

Entry = Mapping[str, Any]
TIMEOUT_S: Final = 10
KEY_CHARS: Final = 12
"""So much of a key's digest as tells it from the payment's other keys."""
_ID: Final = re.compile(r"pay_[0-9a-z]{26}")


def fetch_timeline(payment: str, *, url: str | None, token: str | None) -> dict[str, Any]:
    """Ask payment's operator API; without an address it is the local stack's, and a token is made for the question."""
    if not _ID.fullmatch(payment):
        raise StackError(f"{payment!r} is no payment id; expected pay_ and 26 characters")
    if url is None:
        url, token = _local()
    if not url.startswith(("http://", "https://")):
        raise StackError(f"--url {url!r}: expected http:// or https://")
    if not token:
        raise StackError("no operator token; give --token or set TIEOUT_OPERATOR_TOKEN")
    request = Request(  # noqa: S310 - the scheme was checked above
        f"{url.rstrip('/')}/operator/payments/{payment}/timeline",
        headers={"Authorization": f"Bearer {token}"},
    )
    try:
        with urlopen(request, timeout=TIMEOUT_S) as reply:  # noqa: S310 - the scheme was checked above
            story: dict[str, Any] = json.loads(reply.read())
    except HTTPError as refused:
        said = refused.read().decode(errors="replace")[:300]
        raise StackError(f"payment answered {refused.code}: {visible(said)}") from refused
    except (OSError, HTTPException) as away:
        why = getattr(away, "reason", None) or away or type(away).__name__
        raise StackError(
            f"payment does not answer at {url}: {why}; is the stack up? Then ask again."
        ) from away
    except ValueError as other:
        raise StackError(f"what answers at {url} is no payment service; give its address by --url") from other
    return story


def print_timeline(output: Console, story: Mapping[str, Any]) -> None:
    """Print the entries in the order of time; what followed from what is named by its cause."""
    output.print(f"[bold]{_shown(story['payment'])}[/bold]  {_shown(story['status'])}")
    day = ""
    for entry in story["data"]:
        at = str(entry["at"])
        if at[:10] != day:
            day = at[:10]
            output.print(f"[bold]{_shown(day)}[/bold]")
        cause = entry.get("cause_id")
        output.print(
            f"  {_shown(at[11:23]):<12}  {_shown(entry['kind']):<10}  {_shown(line_of(entry))}"
            + (f"  [dim]<- {_shown(cause)}[/dim]" if cause else "")
        )


def _shown(text: object) -> str:
    """Merchants' words are among it: neither markup nor a terminal's own language does anything here."""
    return escape(visible(str(text)))


def line_of(entry: Entry) -> str:
    """One entry in words; of a kind that this release does not know, its fields."""
    tell = _TOLD.get(str(entry["kind"]), _fields)
    return tell(entry)


def _money(entry: Entry) -> str:
    return (
        f"{entry['amount']} {entry.get('currency') or ''}".strip() if entry.get("amount") is not None else ""
    )


def _request(entry: Entry) -> str:
    if not entry.get("endpoint"):
        return str(entry["id"])
    key = str(entry["key_digest"])[:KEY_CHARS]
    answer = "not answered yet" if entry["status"] is None else f"answered {entry['status']}"
    again = f", came again {entry['replays']} times" if entry["replays"] else ""
    return f"{entry['id']} {entry['endpoint']}, key {key}…, {answer}{again}"


def _transition(entry: Entry) -> str:
    step = f"{entry['subject']} {entry['id']}: {entry['from'] or '(new)'} -> {entry['to']}"
    return step + ("  (implied)" if entry["implied"] else "")


def _evidence(entry: Entry) -> str:
    said = f"{entry['source']} says {entry['object_type']} {entry['object_id']} is {entry['status']}, {_money(entry)}"
    return f"{said}: {entry['verdict']}"


def _case(entry: Entry) -> str:
    said = f"{entry['id']} {entry['reason']} {entry['step']}"
    if entry.get("closed_by"):
        return f"{said} by {entry['closed_by']}: {entry['closed_reason']}"
    follows = f", follows {entry['follows']}" if entry.get("follows") else ""
    words = f": {entry['words']}" if entry.get("words") else ""
    return f"{said}, exposure {entry['exposure']} {entry['currency']}{follows}{words}"


def _decision(entry: Entry) -> str:
    what = f"{entry['id']} {entry['outcome']} of {entry['subject']}"
    return f"{what} {entry['state']} by {entry['by']}: {entry['reason']}"


def _stray(entry: Entry) -> str:
    where = f"{entry['id']} {entry['what']} {_money(entry)} at {entry['object_id']}"
    return f"{where}, returned {entry['returned']}"


def _fields(entry: Entry) -> str:
    hidden = {"kind", "at", "cause_id"}
    return "  ".join(
        f"{name} {value}" for name, value in entry.items() if name not in hidden and value is not None
    )


_TOLD: Final[Mapping[str, Callable[[Entry], str]]] = {
    "request": _request,
    "transition": _transition,
    "evidence": _evidence,
    "operation": lambda entry: f"{entry['id']} {entry['type']} {_money(entry)}, now {entry['state']}",
    "case": _case,
    "decision": _decision,
    "stray": _stray,
    "event": lambda entry: f"{entry['topic']} {entry['type']} #{entry['stream_version']} {entry['id']}",
}


def _local() -> tuple[str, str]:
    from shared.runtime.operator_tokens import OperatorRole, TokenIssuer
    from tools.local_stack.stack import LocalStack

    stack = LocalStack(layout())
    key = layout().secrets / "operator_tokens.pem"
    if not key.exists():
        raise StackError("no local stack here; run `make up`, or give --url and --token")
    return stack.url("payment"), TokenIssuer(key.read_text()).operator("tieout", OperatorRole.VIEWER)
