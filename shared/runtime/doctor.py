"""The doctor: every start-up check of a service, run one by one, with a verdict each instead of the first
refusal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.runtime.startup import StartupRefused

if TYPE_CHECKING:
    from shared.runtime.cli import CommandLine


def examine(line: CommandLine) -> list[dict[str, Any]]:
    """Findings in the order in which a start would meet them."""
    try:
        line.settings()
    except StartupRefused as refused:
        return [_finding("settings", detail) for detail in refused.lines]
    findings = [_finding("settings")]
    try:
        runtime = line.build()
    except StartupRefused as refused:
        return [*findings, *(_finding("parts", detail) for detail in refused.lines)]
    try:
        for item in runtime.checks:
            try:
                item.check()
            except StartupRefused as refused:
                findings.extend(_finding(item.name, detail) for detail in refused.lines)
            else:
                findings.append(_finding(item.name))
    finally:
        runtime.close()
    return findings


def _finding(check: str, detail: str = "") -> dict[str, Any]:
    return {"check": check, "ok": not detail, "detail": detail}
