"""Lines come in by a feed: a piece is kept as a file is, once, and right behind the one before it."""

from __future__ import annotations

from services.reconciliation.app.declare_source import declared_source, held_source
from services.reconciliation.app.ports import ReconciliationUnit
from services.reconciliation.app.receive_file import IncomingFile, Received, receive_file
from services.reconciliation.domain.feeds import check_fed, check_goes_on, check_is_piece
from shared.kernel.operators import Actor


def feed_lines(piece: IncomingFile, sequence: int, actor: Actor, work: ReconciliationUnit) -> Received:
    """Keep the piece to be staged; the same piece again is known, and a gap before it is named.

    Everything after that is as with files: what came later corrects what came earlier.
    """
    check_fed(held_source(piece.source, work))
    last = work.files.take_feed(piece.source)
    known = work.files.find(piece.source, piece.sha256)
    if known is None:
        check_goes_on(piece.source, sequence, last)
    else:
        check_is_piece(known, sequence)
    return receive_file(piece, actor.name, actor, work)


def next_of_feed(source: str, work: ReconciliationUnit) -> int:
    """The number that the next piece of a source has."""
    check_fed(declared_source(source, work))
    return work.files.last_fed(source) + 1
