"""Reconciliation's application; each kind of route adds itself to it."""

from __future__ import annotations

from fastapi import FastAPI

from services.reconciliation.entrypoints.http_files import STREAMED
from shared.runtime.http import api


def application() -> FastAPI:
    """The application without routes yet."""
    return api(title="reconciliation", streamed=STREAMED)
