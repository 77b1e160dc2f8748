"""Owns what a script may say: each rule is read strictly, and whatever does not fit is named."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, NoReturn, TypeVar

from services.sandbox.app import parsing
from services.sandbox.domain.faults import (
    COPIES_MAX,
    FAULTS_BEFORE_EFFECT,
    READING_FAULTS,
    EffectPlan,
    ErrorReply,
    Fault,
    FeedPlan,
    Operation,
    Reading,
    ReplyFault,
    WebhookPlan,
)
from services.sandbox.domain.payment_methods import PaymentMethod, payment_method
from services.sandbox.domain.random_faults import RATE_MAX, Lottery
from services.sandbox.domain.scripts import Match, Rule
from shared.kernel.errors import Rejected

PROCESSORS: Final = ("alpha", "beta")
KEEP_KEYS: Final = ("alpha",)
MATCHES: Final = frozenset({"operation", "reference", "payment", "payment_method"})
FAULTS: Final = frozenset(
    {
        "reply",
        "effect",
        "status",
        "code",
        "delay_ms",
        "webhooks",
        "webhook_delay_ms",
        "copies",
        "not_found_s",
        "feed",
        "feed_delay_s",
        "key_life_s",
    }
)
RULE: Final = frozenset({"processor", "calls", "random"}) | MATCHES | FAULTS
OPERATIONS: Final[Mapping[str, Operation | Reading]] = {str(each): each for each in (*Operation, *Reading)}
REPLIES: Final = {str(each): each for each in ReplyFault if each}
WEBHOOKS: Final = {str(each).removeprefix("webhook_"): each for each in WebhookPlan if each}
EFFECTS: Final = {str(each): each for each in EffectPlan if each}
FEEDS: Final = {str(each): each for each in FeedPlan if each}
STATED: Final = frozenset({ReplyFault.STATUS_BEFORE, ReplyFault.STATUS_AFTER})
"""The replies that say a status which the rule states."""
SAID_WITH: Final[Mapping[str, frozenset[ReplyFault]]] = {
    "status": STATED,
    "code": STATED | {ReplyFault.REFUSED},
}
NO_EFFECT: Final = FAULTS_BEFORE_EFFECT | {ReplyFault.REFUSED}
"""The replies of calls that take no effect at all."""
#: What a reading can be known by, beside its kind: alpha is asked for what is under a reference, and that is all.
READ_BY: Final[Mapping[tuple[str, Reading], frozenset[str]]] = {
    ("alpha", Reading.LOOK_UP): frozenset({"reference"}),
}
READING_FIELDS: Final = frozenset({"reply", "status", "code", "delay_ms"})
STATUS_MIN: Final = 400
STATUS_MAX: Final = 599
CODE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
CALLS_MAX: Final = 1_000_000
DELAY_MAX_MS: Final = 300_000
SEED_MAX: Final = 32
CARDS_MAX: Final = 1_000
_T = TypeVar("_T")
ADVANCE_MAX_S: Final = 3_650 * 86_400


def read_rule(body: Mapping[str, Any], *, rule_id: int = 0) -> tuple[str, Rule]:
    """Return the processor and the rule that a document spells, or refuse it by the field that is wrong."""
    processor = _one_of(body, "processor", {name: name for name in PROCESSORS})
    if processor is None:
        _refuse("processor", f"Required: one of {', '.join(PROCESSORS)}.")
    match = Match(
        operation=_one_of(body, "operation", OPERATIONS),
        **{name: parsing.text(body, name) for name in MATCHES - {"operation"} if body.get(name) is not None},
    )
    if isinstance(match.operation, Reading):
        for name in sorted(MATCHES - {"operation"} - READ_BY.get((processor, match.operation), frozenset())):
            if body.get(name) is not None:
                _refuse(name, "No such reading says it, so the rule would never strike.")
    if "random" in body:
        return processor, _random(body, match, rule_id)
    fault = _fault(body, match)
    if fault.is_none:
        _refuse("reply", f"Say what shall happen: one of {', '.join(sorted(FAULTS))}, or random.")
    calls = _whole(body, "calls", 1, CALLS_MAX) if body.get("calls", 1) is not None else None
    return processor, Rule(id=rule_id, match=match, fault=fault, calls=calls if "calls" in body else 1)


def _fault(body: Mapping[str, Any], match: Match) -> Fault:
    reply = _one_of(body, "reply", REPLIES) or ReplyFault.NONE
    if isinstance(match.operation, Reading):
        if reply not in READING_FAULTS and reply is not ReplyFault.NONE:
            _refuse("reply", f"Reading has no effect; one of {', '.join(sorted(READING_FAULTS))}.")
        for name in FAULTS - READING_FIELDS:
            if name in body:
                _refuse(name, "Reading makes nothing that this could be said of.")
    delay_ms = _whole(body, "webhook_delay_ms", 0, ADVANCE_MAX_S * 1000)
    key_life_s = _whole(body, "key_life_s", 0, ADVANCE_MAX_S)
    feed = _one_of(body, "feed", FEEDS) or FeedPlan.NORMAL
    if delay_ms is not None and body.get("webhooks") != "late":
        _refuse("webhook_delay_ms", "Only of webhooks that are late.")
    if body.get("webhooks") in ("twice", "lost", "garbled") and "copies" in body:
        _refuse("copies", "Twice is two, and of lost webhooks there is none; leave one of both out.")
    if "key_life_s" in body and body["processor"] not in KEEP_KEYS:
        _refuse("key_life_s", f"Only {', '.join(KEEP_KEYS)} has idempotency keys.")
    effect = _one_of(body, "effect", EFFECTS) or EffectPlan.ONCE
    if effect is EffectPlan.TWICE and reply in NO_EFFECT:
        _refuse("effect", f"A call with the reply {reply} takes no effect, and so none twice.")
    if ("feed_delay_s" in body) != (feed is FeedPlan.LATE):
        _refuse("feed_delay_s", "Goes with a feed that is late, and only with that.")
    return Fault(
        reply=reply,
        effect=effect,
        error=_error(body, reply),
        refusal=_code(body) if reply is ReplyFault.REFUSED else None,
        always=True,  # Of the calls that it is meant for; the rule counts them.
        reply_delay=timedelta(milliseconds=_whole(body, "delay_ms", 0, DELAY_MAX_MS) or 0),
        webhooks=_one_of(body, "webhooks", WEBHOOKS) or WebhookPlan.NORMAL,
        webhook_delay=None if delay_ms is None else timedelta(milliseconds=delay_ms),
        copies=_whole(body, "copies", 1, COPIES_MAX) or 1,
        hidden=timedelta(seconds=_whole(body, "not_found_s", 0, ADVANCE_MAX_S) or 0),
        shows_before=bool(body.get("not_found_s")),
        feed=feed,
        feed_delay=timedelta(seconds=_whole(body, "feed_delay_s", 0, ADVANCE_MAX_S) or 0),
        key_life=None if key_life_s is None else timedelta(seconds=key_life_s),
    )


def _error(body: Mapping[str, Any], reply: ReplyFault) -> ErrorReply | None:
    """What a reply of a stated status says; neither status nor code goes with another reply."""
    for name, replies in SAID_WITH.items():
        if name in body and reply not in replies:
            _refuse(name, f"Only with a reply that is one of {', '.join(sorted(replies))}.")
    if reply not in STATED:
        return None
    status = _whole(body, "status", STATUS_MIN, STATUS_MAX)
    if status is None:
        _refuse("status", f"Required: a whole number from {STATUS_MIN} to {STATUS_MAX}.")
    return ErrorReply(status, _code(body))


def _code(body: Mapping[str, Any]) -> str | None:
    code = body.get("code")
    if code is not None and not (isinstance(code, str) and CODE.fullmatch(code)):
        _refuse("code", "Expected 1 to 64 letters, digits, or _ . : -")
    return code


def _random(body: Mapping[str, Any], match: Match, rule_id: int) -> Rule:
    if isinstance(match.operation, Reading):
        _refuse("operation", "Lots are drawn for what has an effect, not for reading.")
    for name in sorted((FAULTS | {"calls"}) & set(body)):
        _refuse(name, "A lot decides what happens; leave it out with random.")
    given = body["random"]
    if not isinstance(given, dict) or set(given) != {"seed", "rate"}:
        _refuse("random", "Expected seed and rate.")
    rate = _whole(given, "rate", 1, RATE_MAX, of="random.")
    seed = given["seed"]
    if not isinstance(seed, str | int) or isinstance(seed, bool) or not 0 < len(str(seed)) <= SEED_MAX:
        _refuse("random.seed", "Expected a number or a text of 1 to 32 characters.")
    return Rule(id=rule_id, match=match, lottery=Lottery(str(seed), rate or 0))


def read_cards(raw: bytes) -> list[PaymentMethod]:
    """Return the cards that are asked about; one that does not exist is refused by its name."""
    names = parsing.read_body(raw, frozenset({"names"})).get("names")
    if not isinstance(names, list) or not 0 < len(names) <= CARDS_MAX:
        _refuse("names", f"Expected a list of 1 to {CARDS_MAX} names of cards.")
    return [payment_method(parsing.text({"names": name}, "names")) for name in names]


def shown_fault(fault: Fault) -> dict[str, Any]:
    """A fault in the words of a rule; what goes well is left out."""
    whole: dict[str, Any] = {
        "reply": str(fault.reply),
        "effect": str(fault.effect),
        "status": fault.error.status if fault.error else None,
        "code": fault.error.code if fault.error else fault.refusal,
        "delay_ms": int(fault.reply_delay.total_seconds() * 1000),
        "webhooks": str(fault.webhooks).removeprefix("webhook_"),
        "copies": fault.copies if fault.copies > 1 else None,
        "not_found_s": int(fault.hidden.total_seconds()),
        "feed": str(fault.feed),
        "feed_delay_s": int(fault.feed_delay.total_seconds()),
    }
    shown = {name: value for name, value in whole.items() if value}
    if fault.key_life is not None:  # None at all is a life, too.
        shown["key_life_s"] = int(fault.key_life.total_seconds())
    return shown


def read_advance_s(raw: bytes) -> int:
    """Return by how many seconds the clock shall be set ahead."""
    body = parsing.read_body(raw, frozenset({"advance_s"}))
    advance_s = _whole(body, "advance_s", 1, ADVANCE_MAX_S)
    if advance_s is None:
        _refuse("advance_s", f"Required: 1 to {ADVANCE_MAX_S} seconds.")
    return advance_s


def _one_of(body: Mapping[str, Any], name: str, known: Mapping[str, _T]) -> _T | None:
    given = body.get(name)
    if given is None:
        return None
    if not isinstance(given, str) or given not in known:
        _refuse(name, f"One of {', '.join(sorted(known))}.")
    return known[given]


def _whole(body: Mapping[str, Any], name: str, least: int, most: int, *, of: str = "") -> int | None:
    given = body.get(name)
    if given is None:
        return None
    if type(given) is not int or not least <= given <= most:
        _refuse(of + name, f"Expected a whole number from {least} to {most}.")
    return given


def _refuse(param: str, message: str) -> NoReturn:
    raise Rejected("field_invalid", message, status=400, param=param, stored=False)
