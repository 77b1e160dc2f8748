"""The base with our own statements: what the API sends for one payment, read from the server's log, sent by pgbench.

The log names each statement with its values. A value in which one of the payment's own ids stands gets another id in
each transaction, all else is sent as it was; statements go in the round trips in which the API sends them.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.bench.figures import Figure
from tools.bench.pgbench import pgbench
from tools.bench.site import Site, wait_until
from tools.local_stack.layout import StackError

NAME: Final = "pgbench, the API's own statements"
DATABASE: Final = "payment"
BEGIN: Final = "BEGIN"
COMMIT: Final = "COMMIT"
ID_DIGITS: Final = 26
SCOPE_DIGITS: Final = 64

_ENTRY: Final = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ \w+ \[(\d+)\] (\w+):  ", re.MULTILINE)
_STATEMENT: Final = re.compile(r"(?:statement|execute [^:]*): (.*)", re.DOTALL)
_VALUE: Final = re.compile(r"\$(\d+) = (NULL|'(?:[^']|'')*')")
_PLACE: Final = re.compile(r"\$(\d+)")
_PAYMENT: Final = re.compile(r"pay_([0-9a-z]{26})")
_EVENT: Final = re.compile(r"evt_([0-9a-z]{26})")
_SCOPE: Final = re.compile(r"\{([0-9a-f]{64})\}")


@dataclass(frozen=True, slots=True)
class Sent:
    """A statement as the server logged it, and its values by number; a value is None where it was NULL."""

    text: str
    values: dict[int, str | None]


def last_transaction(log: str) -> list[Sent]:
    """The statements of the last transaction that the log has whole, without its BEGIN and COMMIT."""
    sessions: dict[str, list[Sent]] = {}
    found: list[Sent] = []
    starts = list(_ENTRY.finditer(log))
    for entry, after in zip(starts, [*starts[1:], None], strict=True):
        said = log[entry.end() : after.start() if after else len(log)].strip()
        statements = sessions.setdefault(entry[1], [])
        if entry[2] == "DETAIL" and statements:
            statements[-1].values.update(_values(said))
        elif entry[2] == "LOG" and (shown := _STATEMENT.match(said)) is not None:
            text = shown[1].strip()
            if text == BEGIN:
                statements.clear()
            elif text == COMMIT:
                found = statements.copy() or found
            else:
                statements.append(Sent(text, {}))
    if not found:
        raise StackError("no whole transaction in the server's log")
    return found


def _values(said: str) -> dict[int, str | None]:
    return {
        int(number): None if value == "NULL" else value[1:-1].replace("''", "'")
        for number, value in _VALUE.findall(said)
    }


def script_of(statements: Sequence[Sent]) -> tuple[str, dict[str, str]]:
    """A pgbench script that writes another payment each time, and the variables that it needs."""
    everything = " ".join(value for sent in statements for value in sent.values.values() if value)
    own = _own_ids(everything)
    variables: dict[str, str] = {}
    reads = [sent for sent in statements if sent.text.startswith("SELECT")]
    writes = [sent for sent in statements if sent not in reads]
    if not reads or not writes or statements[: len(reads)] != reads:
        raise StackError("the API no longer reads first and writes then: the base has to be written anew")
    trips = [
        [f"{BEGIN};", *(_command(sent, own, variables) for sent in reads)],
        [_command(sent, own, variables) for sent in writes],
        [f"{COMMIT};"],
    ]
    lines = [r"\set n random(1, 1000000000000000)"]
    for trip in trips:
        lines += [r"\startpipeline", *trip, r"\endpipeline"]
    return "\n".join(lines) + "\n", variables


def _own_ids(everything: str) -> dict[str, int]:
    """What must be another one in each transaction, and how many digits it has."""
    payment, event, scope = (kind.search(everything) for kind in (_PAYMENT, _EVENT, _SCOPE))
    if payment is None or event is None or scope is None:
        raise StackError("the API's statements name no payment, no event or no key")
    return {payment[1]: ID_DIGITS, event[1]: ID_DIGITS, scope[1]: SCOPE_DIGITS}


def _command(sent: Sent, own: dict[str, int], variables: dict[str, str]) -> str:
    def placed(place: re.Match[str]) -> str:
        value = sent.values[int(place[1])]
        if not value:  # a variable of pgbench has to have a value
            return "NULL" if value is None else "''"
        name = next((known for known, kept in variables.items() if kept == value), f"v{len(variables)}")
        variables[name] = value
        shown = f":{name}"
        for each, digits in own.items():
            if each in value:
                shown = f"replace({shown}::text, '{each}', lpad(:n::text, {digits}, '0'))"
        return f"({shown})" if shown != f":{name}" else shown

    return _PLACE.sub(placed, " ".join(sent.text.split())) + ";"


def recorded(site: Site, send_one: Callable[[], object]) -> list[Sent]:
    """What the API sends for one request; ``send_one`` sends it and returns when it is answered."""
    log = site.stack.place.logs / "postgres.log"
    with site.admin() as admin:

        def settle(setting: bytes) -> None:
            admin.execute(b"ALTER SYSTEM " + setting)
            admin.execute("SELECT pg_reload_conf()")

        begins = log.stat().st_size
        settle(b"SET log_statement = 'all'")
        try:

            def whole() -> bool:
                send_one()
                return "execute " in _since(log, begins) and COMMIT in _since(log, begins)

            wait_until(whole, "a payment's statements are in the server's log")
        finally:
            settle(b"RESET log_statement")
    return last_transaction(_since(log, begins))


def _since(log: Path, begins: int) -> str:
    with log.open("rb") as lines:
        lines.seek(begins)
        return lines.read().decode(errors="replace")


def measure(site: Site, statements: Sequence[Sent], section: str) -> Figure:
    """Transactions per second of pgbench, each a payment with its key and its event, in the service's own tables."""
    script, variables = script_of(statements)
    return pgbench(site, NAME, script, section=section, database=DATABASE, variables=variables)
