"""Journals in bulk: a file from another ledger, booked by the ledger's own command on empty and on full accounts."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from shared.runtime.cli_token import TOKEN_VARIABLE
from tools.bench import own_imports
from tools.bench.cpu import cpu_s
from tools.bench.figures import Base, Figure
from tools.bench.site import Site, service_of
from tools.local_stack.children import inherited
from tools.local_stack.layout import StackError

SECTION: Final = "journals in bulk"
MERCHANTS: Final = 10_000
AIM: Final = 3.0
CPU_AIM_MS: Final = 0.1


def measure(site: Site, base: Base) -> list[Figure]:
    """Rates of booking and of checking, for accounts spread evenly and for one hot account; CPU of both sides."""
    count = 10_000 if site.quick else 40_000
    found: dict[str, list[float]] = {}
    _import(site, "opens", count, hot=False)  # opens the accounts
    for repetition in range(site.repetitions):
        for name, hot in (("uniform", False), ("one hot account", True)):
            site.progress(f"journals in bulk, {name}")
            told = _import(site, f"run{repetition}{hot}".lower(), count, hot=hot)
            found.setdefault(f"booked, {name}", []).append(count / told["booking_s"])
            if not hot:
                found.setdefault("checked before", []).append(count / told["checking_s"])
                found.setdefault("command's CPU per journal", []).append(told["command_ms"])
                found.setdefault("PostgreSQL CPU per journal", []).append(told["postgres_ms"])
    # Last: what it announces nobody sends, and its import is never finished.
    own = own_imports.measure(site, SECTION, _approve(site, _file(site, "base"), "base", 1, hot=False))
    samples = {name: tuple(values) for name, values in found.items()}
    return [own, *_figures(samples, (base, own.as_base()))]


def _figures(samples: dict[str, tuple[float, ...]], bases: tuple[Base, ...]) -> list[Figure]:
    """The rate to each base: a lesser schema, and the same rows in transactions of their own."""
    uniform, *beside = (
        Figure(
            section=SECTION, name="booked, uniform", unit="1/s", samples=samples["booked, uniform"], base=base,
            aim=AIM,
        )
        for base in bases
    )  # fmt: skip
    hot_account = Figure(
        section=SECTION, name="booked, one hot account", unit="1/s", samples=samples["booked, one hot account"],
        base=uniform.as_base(), aim=0.9,
    )  # fmt: skip
    rest = [
        Figure(section=SECTION, name=name, unit=unit, samples=samples[name])
        for name, unit in (("checked before", "1/s"), ("command's CPU per journal", "ms"))
    ]
    server = "PostgreSQL CPU per journal"
    return [
        uniform, *beside, hot_account, *rest,
        Figure(
            section=SECTION, name=server, unit="ms", samples=samples[server], aim=CPU_AIM_MS, smaller_is_better=True,
        ),
    ]  # fmt: skip


def _import(site: Site, name: str, count: int, *, hot: bool) -> dict[str, Any]:
    file = _file(site, name)
    _approve(site, file, name, count, hot=hot)
    before, own = cpu_s(site.postgres_pid), os.times()
    told = _command(site, "ada", "book", str(file))
    spent, now = cpu_s(site.postgres_pid) - before, os.times()
    file.unlink()
    if told["booked"] != count:
        raise StackError(f"{told['booked']} of {count} journals were booked")
    children = now.children_user + now.children_system - own.children_user - own.children_system
    return {**told, "command_ms": children * 1000 / count, "postgres_ms": spent * 1000 / count}


def _file(site: Site, name: str) -> Path:
    return site.stack.place.home / f"{name}.jsonl"


def _approve(site: Site, file: Path, name: str, count: int, *, hot: bool) -> str:
    """Write a file and let two people want it; its digest."""
    _write(file, name, count, hot=hot)
    proposed = _command(site, "ada", "propose", str(file))
    _command(site, "bob", "approve", proposed["sha256"])
    return str(proposed["sha256"])


def _command(site: Site, who: str, *words: str) -> dict[str, Any]:
    """One of the ledger's commands about imports, by this person; what it tells."""
    known = service_of("ledger")
    token = {TOKEN_VARIABLE: site.stack.operator_token(who, "approver")}
    done = subprocess.run(
        [str(Path(sys.executable).parent / known.command), "imports", *words, "--reason", "bench", "--json"],
        env=inherited() | site.stack.environment(known) | token,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise StackError(f"ledger imports {words[0]} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _write(file: Path, source: str, count: int, *, hot: bool) -> None:
    chance = random.Random(source)  # noqa: S311  # spreads load, protects nothing
    with file.open("w") as lines:
        for number in range(count):
            merchant = 0 if hot else chance.randrange(MERCHANTS)
            said = {
                "version": 1, "source": source, "id": f"tx-{number}", "effective_at": "2025-03-01T10:00:00Z",
                "entries": [
                    _entry("bank_cash", "iban-1", "debit", 1_000 + number),
                    _entry("merchant_available", f"mer_{merchant:026d}", "credit", 1_000 + number),
                ],
            }  # fmt: skip
            lines.write(json.dumps(said, separators=(",", ":")) + "\n")


def _entry(family: str, owner: str, side: str, amount_minor: int) -> dict[str, object]:
    return {
        "family": family, "owner": owner, "currency": "EUR", "scale": 2, "side": side, "amount_minor": amount_minor,
    }  # fmt: skip
