"""Operators: who acts on a service's things, and what is told of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts, in which role, by which request (None from the command line)."""

    name: str
    role: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAct:
    """Who did what to which thing, and why; announced in the transaction of the act."""

    actor: Actor
    action: str
    target: str
    reason: str
