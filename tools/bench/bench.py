"""One benchmark run: the bases, then what is held against them, section by section; one that fails stops no other."""

import os
import platform
import subprocess
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tools.bench.figures import Figure
from tools.bench.sections import Ground, Section
from tools.bench.site import Progress
from tools.local_stack import postgres


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one section found, when, and on what machine."""

    section: Section
    at: datetime
    seconds: int
    quick: bool
    machine: dict[str, Any]
    figures: list[Figure]


@dataclass(slots=True)
class Run:
    """The parts that were measured, and why others were not."""

    parts: list[Measured]
    failed: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        return {
            "failed": self.failed,
            "sections": [
                {
                    "section": part.section.title,
                    "ran": part.section.ran,
                    "at": part.at.isoformat(timespec="seconds"),
                    "seconds": part.seconds,
                    "quick": part.quick,
                    "machine": part.machine,
                    "figures": [figure.as_json() for figure in part.figures],
                }
                for part in self.parts
            ],
        }


def run_bench(
    progress: Progress,
    sections: Sequence[Section],
    *,
    quick: bool,
    entries: int,
    done: Callable[[Measured], None],
) -> Run:
    """Measure one section after another; ``done`` hears of each as soon as it is measured."""
    run, ground = Run([], {}), Ground(progress, quick=quick, entries=entries)
    try:
        for section in sections:
            part = _measure(section, ground, run)
            if part is not None:
                run.parts.append(part)
                done(part)
    finally:
        ground.leave()
    return run


def _measure(section: Section, ground: Ground, run: Run) -> Measured | None:
    if section.brings_stacks or section.afresh:
        ground.leave()
    started = time.monotonic()
    try:
        figures = section.measure(ground)
    except Exception as error:  # noqa: BLE001  # what the others find would be lost; the run fails at its end
        traceback.print_exc()
        run.failed[section.word] = f"{type(error).__name__}: {error}"
        return None
    ground.bases |= {figure.name: figure.as_base() for figure in figures}
    return Measured(
        section=section,
        at=datetime.now(UTC),
        seconds=round(time.monotonic() - started),
        quick=ground.quick,
        machine=_machine(),
        figures=figures,
    )


def _postgresql() -> str:
    """The version of the server that every stack of a run starts."""
    shown = subprocess.run(
        [str(postgres.binaries() / "postgres"), "--version"], capture_output=True, text=True, check=True
    )
    return shown.stdout.split()[-1]


def _machine() -> dict[str, Any]:
    return {
        "cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "postgresql": _postgresql(),
        "fsync": "on",
        "load": [round(value, 2) for value in os.getloadavg()],
    }
