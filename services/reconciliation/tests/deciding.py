"""What a second person does at the desk: reads what waits, and approves it."""

from __future__ import annotations

from services.reconciliation.app.approve_break import approve_break
from services.reconciliation.app.resolve_break import StoredBreak
from services.reconciliation.entrypoints.http_matching import break_view
from services.reconciliation.tests.three_legs import World
from shared.kernel.operators import Actor

BOB = Actor(name="bob", role="approver")
NONE_WAITS = "prp_" + "0" * 26


def proposal_of(world: World, break_id: str) -> str:
    """The proposal that waits, as the break shows it; one that nobody made where none does."""
    shown = world.desk.run(lambda uow: break_view(break_id, uow))
    return str(shown["proposal"] or NONE_WAITS)


def approve(world: World, break_id: str, actor: Actor = BOB, read: str | None = None) -> StoredBreak:
    """Approve the proposal that was read, or the one that waits now."""
    read = read or proposal_of(world, break_id)
    return world.desk.run(lambda uow: approve_break(break_id, read, "yes", actor, uow))
