"""How fast reports and statements are read, each format in a process of its own: lines per second, and memory."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from tools.bench.figures import Figure
from tools.bench.report_files import FORMATS, write_file
from tools.bench.site import DEADLINE_S, Progress
from tools.local_stack.layout import StackError

SECTION: Final = "readers"
RAN: Final = "`reconciliation read`, one process per file; nothing else"
LINES: Final = {100_000: 3, 1_000_000: 1}
"""Lines of a file, and how often it is read."""
QUICK_LINES: Final = {20_000: 1}
MEMORY_MIB_AIM: Final = 500.0
_KIB_PER_MIB: Final = 1_024


def measure(progress: Progress, *, quick: bool) -> list[Figure]:
    """Every format at every size; a file that does not hold to its last total is an error and no figure."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="tieout-bench-") as folder:
        for form in FORMATS:
            for lines, repetitions in (QUICK_LINES if quick else LINES).items():
                progress(f"{form}, {lines:,} lines")
                file = Path(folder) / form
                write_file(form, lines, file)
                figures += _figures(form, lines, [_read(form, lines, file) for _ in range(repetitions)])
                file.unlink()
    return figures


def _figures(form: str, lines: int, runs: list[dict[str, Any]]) -> list[Figure]:
    name = f"{form}, {lines:,} lines"
    rates = tuple(lines / run["seconds"] for run in runs)
    peaks = tuple(run["peak_memory_kib"] / _KIB_PER_MIB for run in runs if run["peak_memory_kib"])
    figures = [Figure(section=SECTION, name=name, unit="lines/s", samples=rates)]
    if peaks:
        figures.append(
            Figure(
                section=SECTION, name=f"{name}: memory", unit="MiB", samples=peaks, aim=MEMORY_MIB_AIM,
                smaller_is_better=True,
            )
        )  # fmt: skip
    return figures


def _read(form: str, lines: int, file: Path) -> dict[str, Any]:
    words = [str(Path(sys.executable).parent / "reconciliation"), "read", form, str(file), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=DEADLINE_S * 5)
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise StackError(f"{' '.join(words)} failed: {done.stderr.strip()[-500:]}") from None
    if not found["holds"] or found["line_count"] != lines:
        raise StackError(f"{form}: not read as it was written: {done.stdout[:500]}")
    return found
