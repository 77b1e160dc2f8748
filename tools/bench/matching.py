"""A report from file to breaks: the real worker stages and matches it, beside the same join in plain SQL."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil

from shared.runtime.cli_token import TOKEN_VARIABLE
from tools.bench.figures import Base, Figure
from tools.bench.report_files import write_file
from tools.bench.site import Progress, Site, benchmark_site, service_of, wait_until
from tools.local_stack.children import inherited
from tools.local_stack.layout import StackError

SECTION: Final = "matching"
RAN: Final = (
    "PostgreSQL, `reconciliation work` (announcing and telling at rest), `reconciliation upload`; Kafka idle"
)
FORM: Final = "tieout_csv"
SIZES: Final = (100_000, 1_000_000)
QUICK_SIZES: Final = (20_000,)
FILE_TO_BREAKS_AIM_S: Final = 300.0
MEMORY_MIB_AIM: Final = 500.0
EXACT_AIM: Final = 4.0
FLAT_AIM: Final = 0.8
ALONE_EVERY: Final = 1_000
"""So many of ours are missing, and so many lines stand alone: one of each per this many."""
WITHIN_S: Final = 1_800.0
NEVER_S: Final = "86400"
_MIB: Final = 1_048_576
_MS_PER_S: Final = 1_000

# As the consumer would have written them long before the report came.
_OURS: Final = """
INSERT INTO our_items (item_key, kind, category, standing, rank, event_id, payment_id, merchant_id, operation_id,
       processor, account, object_id, amount_minor, currency, occurred_at, expected_by, lost_by)
SELECT 'charge:alpha:acct_alpha:ch_' || n, 'capture', 'charge', 'expected', 2, 'evt_' || lpad(n::text, 26, '0'),
       'pay_' || lpad(n::text, 26, '0'), 'mer_' || lpad('1', 26, '0'), 'op_' || n, 'alpha', 'acct_alpha', 'ch_' || n,
       10000, 'EUR', '2026-11-24 10:00+00', '2100-01-01', '2100-01-08'
  FROM generate_series(0, %(lines)s::int - 1) AS n WHERE n %% %(alone)s <> 7
"""
# What the exact pass comes to, by somebody who needs nothing else, and by somebody who needs each side claimed once.
_KEPT: Final = """
CREATE TABLE kept_join (source text COLLATE "C", line_id text COLLATE "C", item_key text COLLATE "C" UNIQUE,
                        UNIQUE (source, line_id))
"""
_JOIN: Final = """
SELECT l.source, l.line_id, i.item_key FROM settlement_lines AS l JOIN sources AS s USING (source)
  JOIN our_items AS i ON i.object_id = l.object_id AND i.processor = s.processor AND i.account = s.account
   AND i.category = l.category AND i.currency = l.currency AND i.amount_minor = l.gross_minor
 WHERE l.stands AND NOT l.withdrawn AND i.standing = 'expected'
"""
_STATED: Final = "SELECT count(*) FROM report_files WHERE state = 'STAGED'"
_FOUND: Final = "SELECT count(*) FROM runs WHERE result -> 'matches' ? 'same_object'"
_LOGGED: Final = re.compile(r"duration: ([\d.]+) ms +(statement|parse|bind|execute)[^:]*: *(.*)")


def measure(progress: Progress, *, quick: bool) -> list[Figure]:
    """Each size once, on a stack of its own: the second is held against the first, line by line."""
    figures: list[Figure] = []
    first: Base | None = None
    for lines in QUICK_SIZES if quick else SIZES:
        with benchmark_site(progress, quick=quick) as site:
            progress(f"{lines:,} lines from file to breaks")
            made = _figures(lines, _one(site, lines), first)
        first = first or made[0].as_base()
        figures += made
    return figures


def _figures(lines: int, found: dict[str, float], first: Base | None) -> list[Figure]:
    at = f"{lines:,} lines"
    plain = Figure(section=SECTION, name=f"{at}: plain join", unit="s", samples=(found["plain_s"],))
    kept = Figure(
        section=SECTION, name=f"{at}: plain join, each claimed once", unit="s", samples=(found["kept_s"],)
    )
    return [
        Figure(
            section=SECTION, name=f"{at}: matched, breaks found", unit="lines/s", samples=(lines / found["run_s"],),
            base=first, aim=None if first is None else FLAT_AIM,
        ),
        Figure(
            section=SECTION, name=f"{at}: file to breaks", unit="s", samples=(found["all_s"],),
            aim=FILE_TO_BREAKS_AIM_S, smaller_is_better=True,
        ),
        Figure(section=SECTION, name=f"{at}: staged", unit="lines/s", samples=(lines / found["staged_s"],)),
        plain,
        Figure(
            section=SECTION, name=f"{at}: exact pass", unit="s", samples=(found["exact_s"],), base=plain.as_base(),
            aim=EXACT_AIM, smaller_is_better=True,
        ),
        kept,
        Figure(
            section=SECTION, name=f"{at}: exact pass again", unit="s", samples=(found["exact_s"],), base=kept.as_base(),
            smaller_is_better=True,
        ),
        Figure(
            section=SECTION, name=f"{at}: worker's memory, at most", unit="MiB", samples=(found["peak_mib"],),
            aim=MEMORY_MIB_AIM, smaller_is_better=True,
        ),
    ]  # fmt: skip


def _one(site: Site, lines: int) -> dict[str, float]:
    file = site.stack.place.home / FORM
    write_file(FORM, lines, file)
    with site.admin("reconciliation") as books:
        books.execute(_OURS, {"lines": lines, "alone": ALONE_EVERY})
        books.execute("VACUUM ANALYZE our_items")
        _command(
            site, "sources", "declare", "alpha_report", "--format", FORM, "--processor", "alpha", "--account",
            "acct_alpha", "--reason", "bench",
        )  # fmt: skip
        _command(site, "match")
        books.execute("ALTER DATABASE reconciliation SET log_min_duration_statement = 0")
        log = site.stack.place.logs / "postgres.log"
        begins = log.stat().st_size
        settings = {
            "STAGING_INTERVAL_S": "0.1", "MATCHING_INTERVAL_S": "0.1", "ANNOUNCING_INTERVAL_S": NEVER_S,
            "TELLING_INTERVAL_S": NEVER_S,
        }  # fmt: skip
        started = time.perf_counter()
        _command(site, "upload", str(file), "--source", "alpha_report")
        with site.process("reconciliation", "work", **settings) as pid:

            def holds(query: str) -> bool:
                row = books.execute(query.encode()).fetchone()
                return bool(row and row[0])

            wait_until(lambda: holds(_STATED), "the file is staged", within_s=WITHIN_S)
            staged = time.perf_counter()
            wait_until(lambda: holds(_FOUND), "a run has matched it", within_s=WITHIN_S)
            ended = time.perf_counter()
            peak = _peak_mib(pid)
        books.execute("ALTER DATABASE reconciliation RESET log_min_duration_statement")
        exact = sum(_exact_pass(log, begins))
        _check(books, lines)
        books.execute("ANALYZE settlement_lines")
        books.execute(_KEPT)
        plain = _timed(books, f"CREATE TABLE plain_join AS {_JOIN}")
        kept = _timed(books, f"INSERT INTO kept_join {_JOIN}")
    file.unlink()
    return {
        "all_s": ended - started, "staged_s": staged - started, "run_s": ended - staged, "peak_mib": peak,
        "plain_s": plain, "kept_s": kept, "exact_s": exact,
    }  # fmt: skip


def _timed(books: Any, statement: str) -> float:
    started = time.perf_counter()
    books.execute(statement)
    return time.perf_counter() - started


def _command(site: Site, *words: str) -> None:
    known = service_of("reconciliation")
    line = [str(Path(sys.executable).parent / known.command), *words, "--json"]
    token = {TOKEN_VARIABLE: site.stack.operator_token("bench", "operator")}
    done = subprocess.run(
        line,
        env=inherited() | site.stack.environment(known) | token,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StackError(f"{' '.join(words[:2])} failed: {done.stderr.strip()[-500:]}")


def _peak_mib(pid: int) -> float:
    """The most memory that the process ever held; what it holds now where the system does not say."""
    status = Path(f"/proc/{pid}/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) / 1_024 if found else psutil.Process(pid).memory_info().rss / _MIB


def _exact_pass(log: Path, begins: int) -> Iterator[float]:
    """Seconds of each statement of the first pass of the last run, as the server's log has them."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        lines.seek(begins)
        passes: list[list[float]] = []
        for line in lines:
            if (found := _LOGGED.search(line)) is None:
                continue
            text = found[3] or next(lines, "").strip()
            if text.startswith("TRUNCATE"):
                if found[2] in {"statement", "execute"}:
                    passes = [] if text.startswith("TRUNCATE dirty_lines") else [*passes, []]
            elif passes:
                passes[-1].append(float(found[1]) / _MS_PER_S)
    yield from passes[0] if passes else ()


def _check(books: Any, lines: int) -> None:
    """Figures are of a right answer: what was left out is missing, and nothing else."""
    result = books.execute(
        "SELECT result FROM runs WHERE result -> 'matches' ? 'same_object' LIMIT 1"
    ).fetchone()[0]
    charges = books.execute("SELECT count(*) FROM matchable_lines").fetchone()[0]
    alone = books.execute(
        "SELECT count(*) FROM matchable_lines AS l WHERE NOT EXISTS"
        " (SELECT FROM our_items AS i WHERE i.object_id = l.object_id)"
    ).fetchone()[0]
    found = result["breaks"].get("processor_success_internal_missing", 0)
    if result["matches"] != {"same_object": charges - alone} or found != alone or not 0 < alone < lines:
        raise StackError(
            f"not matched as it was written: {json.dumps(result)}, {charges} charges, {alone} alone"
        )
