"""The services' applications, built from settings alone: what they serve and who runs them, without any connection."""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, new_key_pair
from shared.runtime.settings import ServiceSettings, load_settings
from shared.testing.serving import Served

REPOSITORY = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in (REPOSITORY / "services").glob("*/pyproject.toml"))
#: A service that is not here fails: it has to say what it needs to be built.
NEEDS: dict[str, dict[str, str]] = {
    "ledger": {},
    "payment": {"API_KEY_PEPPER": "a pepper"},
    "processor": {"ALPHA_BASE_URL": "http://127.0.0.1:1", "ALPHA_API_KEY": "sk"},
    "reconciliation": {},
    "risk": {},
    "webhook_ingest": {"ALPHA_WEBHOOK_SECRETS": "whsec_0123456789abcdef"},
}
OUTSIDE_WORLD = {"sandbox"}
"""Plays processors to us; its manners with keys are theirs, and have tests of their own."""
READING = {"GET", "HEAD", "OPTIONS"}
ULID = "0" * 26
VALUES = {
    "payment_id": f"pay_{ULID}", "dispute_id": f"dp_{ULID}", "operation_id": f"op_{ULID}", "stray_id": f"str_{ULID}",
    "case_id": f"case_{ULID}", "decision_id": f"dec_{ULID}", "version": "1",
    "adjustment_id": f"adj_{ULID}", "close_id": f"cls_{ULID}", "break_id": f"brk_{ULID}", "file_id": f"file_{ULID}",
    "term_id": f"trm_{ULID}", "hand_match_id": f"hnd_{ULID}", "waiting_id": "evd_" + "0" * 32,
}  # fmt: skip
"""An id of each kind that a path may hold, good enough to reach the handler."""


class Face:
    """One service's application, built from settings alone; nothing connects."""

    def __init__(self, service: str) -> None:
        private, public = new_key_pair()
        prefix = service.upper()
        values = {f"{prefix}_{name}": value for name, value in NEEDS[service].items()}
        values[f"{prefix}_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/nowhere"
        values[f"{prefix}_OPERATOR_PUBLIC_KEY"] = public
        self.service = service
        self.runtime = import_module(f"services.{service}.bootstrap").build(
            load_settings(_settings_of(import_module(f"services.{service}.settings")), values)
        )
        self.app: Any = self.runtime.make_app()
        self.token = TokenIssuer(private).operator("ann", OperatorRole.ADMIN)

    def changing(self) -> list[tuple[str, str]]:
        """Method and path of everything that is no mere reading."""
        return [
            (method.upper(), path)
            for path, methods in self.paths().items()
            for method in sorted(methods)
            if method.upper() not in READING
        ]

    def paths(self) -> dict[str, dict[str, Any]]:
        """Methods by path, as the application describes itself."""
        found: dict[str, dict[str, Any]] = self.app.openapi()["paths"]
        return found

    def call(self, web: Served, method: str, path: str) -> int:
        """Call it as an operator, and as a merchant where operators are nobody."""
        for credential in (self.token, "sk_test_nobody"):
            headers = {"Authorization": f"Bearer {credential}"}
            status = web.call(method, path.format(**VALUES), headers=headers).status
            if status != 401:
                break
        return status


def _settings_of(module: ModuleType) -> type[ServiceSettings]:
    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, ServiceSettings)
        and value.__module__ == module.__name__
    )
    return found
