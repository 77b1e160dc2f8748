"""``reconciliation feed``: lines from another program, one JSON object a line, for people and their pipes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any, BinaryIO

import typer

from shared.runtime.cli import JsonFlag, command_line, emit
from shared.runtime.cli_token import TokenFile, acting


def add_feed(cli: typer.Typer) -> None:
    """Add the command."""

    @cli.command()
    def feed(
        source: Annotated[str, typer.Option(help="Whose lines they are: reconciliation sources list.")],
        token_file: TokenFile,
        sequence: Annotated[
            int | None, typer.Option(min=1, help="Number of the first piece; the next one unless given.")
        ] = None,
        lines: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many in one piece.")] = 500,
        as_json: JsonFlag = False,
    ) -> None:
        """Feed lines in from standard input: one JSON object a line, with the columns of tieout_csv as texts.

        They go in pieces that are numbered on. With --sequence the same input in the same pieces is known, and nothing
        happens; without it the pieces are new ones, whose lines say what they said.
        """
        from services.reconciliation.app.feed_lines import next_of_feed
        from services.reconciliation.entrypoints import feeding

        line = command_line(cli)
        who = acting(line, token_file, "operator")
        shown: list[dict[str, Any]] = []
        with line.opened() as runtime:
            transactions: Any = runtime.transactions
            first = sequence or transactions.read(lambda uow: next_of_feed(source, uow), name="feed")
            try:
                for number, said in enumerate(_pieces(sys.stdin.buffer, lines), start=first):
                    raw = b'{"sequence":%d,"lines":[%s]}' % (number, b",".join(said))
                    shown.append(feeding.feed(transactions, source, raw, who).view())
            finally:
                emit(shown if as_json else list(_rows(shown)), as_json=as_json)


def _pieces(content: BinaryIO, most: int) -> Iterator[list[bytes]]:
    """Lines as they stand, so many at a time; a piece ends before it is too large to be taken."""
    from services.reconciliation.domain.feeds import PIECE_BYTES_MAX

    room, gathered, size = PIECE_BYTES_MAX - 128, list[bytes](), 0
    for number, line in enumerate(content, start=1):
        said = line.strip()
        if not said:
            continue
        _check(number, said)
        if gathered and (len(gathered) == most or size + len(said) + 1 > room):
            yield gathered
            gathered, size = [], 0
        gathered.append(said)
        size += len(said) + 1
    if gathered:
        yield gathered


def _check(number: int, said: bytes) -> None:
    """What is no JSON at all would make its whole piece unreadable; what it says is another matter."""
    from shared.kernel.errors import Rejected

    try:
        json.loads(said)
    except (ValueError, RecursionError):
        raise Rejected("line_malformed", f"line {number} of the input is no JSON object") from None


def _rows(shown: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row for each piece, and one for each of its lines that could not be read."""
    for piece in shown:
        head = {name: piece[name] for name in ("sequence", "file_id", "is_new", "accepted", "quarantined")}
        yield {**head, "line": None, "code": None, "field": None, "expected": None}
        for line in piece["lines"]:
            if line["outcome"] == "quarantined":
                yield {
                    **dict.fromkeys(head),
                    "sequence": piece["sequence"],
                    "line": line["line_number"],
                    **{name: line[name] for name in ("code", "field", "expected")},
                }
