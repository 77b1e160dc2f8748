"""A file comes in: kept byte for byte, once per source however often and by whichever way it comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from services.reconciliation.app.declare_source import held_source
from services.reconciliation.app.ports import ReconciliationUnit
from services.reconciliation.domain.files import NAME_CHARS_MAX, ReportFile
from shared.kernel.crash_points import crash_point
from shared.kernel.errors import InvariantViolation, Rejected
from shared.kernel.operators import Actor, OperatorAct


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingFile:
    """A whole file that lies ready; ``content`` gives its bytes from the beginning, at each call."""

    source: str
    name: str
    sha256: bytes
    byte_count: int
    content: Callable[[], BinaryIO]
    feed_sequence: int | None = None
    """Which piece of the source's feed it is."""


@dataclass(frozen=True, slots=True)
class Received:
    """The file as it is kept, and whether it came for the first time."""

    file: ReportFile
    is_new: bool


def receive_file(
    incoming: IncomingFile, received_by: str, actor: Actor | None, work: ReconciliationUnit
) -> Received:
    """Keep it to be staged; the same bytes of the same source are the same file, and nothing happens.

    Only one that was refused is read once more, where its source was declared otherwise since.

    Without an ``actor`` nobody uploaded it: it was found in the watched folder.
    """
    held_source(incoming.source, work)
    if not 1 <= len(incoming.name) <= NAME_CHARS_MAX or not incoming.name.isprintable():
        raise Rejected(
            "file_name_invalid", f"a name of 1 to {NAME_CHARS_MAX} characters", status=422, stored=False,
            param="name",
        )  # fmt: skip
    known = work.files.find(incoming.source, incoming.sha256)
    if known is not None:
        return Received(work.files.reopen(known.file_id) or known, is_new=False)
    kept = work.files.add(
        file_id=work.ids.new("file_"),
        source=incoming.source,
        sha256=incoming.sha256,
        name=incoming.name,
        byte_count=incoming.byte_count,
        received_by=received_by,
        feed_sequence=incoming.feed_sequence,
    )
    if kept is None:  # somebody else was quicker
        found = work.files.find(incoming.source, incoming.sha256)
        if found is None:
            raise InvariantViolation("file_is_kept", "a file that is there cannot be found")
        return Received(found, is_new=False)
    work.files.keep(kept.file_id, incoming.content())
    crash_point("report.after_chunks")
    if actor is not None:
        target, said = f"file:{kept.file_id}", f"{incoming.source}: {incoming.name}"
        work.announce(OperatorAct(actor=actor, action="file_received", target=target, reason=said))
    return Received(kept, is_new=True)
