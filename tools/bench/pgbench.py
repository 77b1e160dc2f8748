"""PostgreSQL by its own benchmark: what a script comes to here, without us."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tools.bench.figures import Figure, repeated
from tools.bench.site import Site
from tools.local_stack import postgres
from tools.local_stack.layout import StackError

CLIENTS: Final = 8
SECONDS: Final = 8
QUICK_SECONDS: Final = 3


def pgbench(
    site: Site,
    name: str,
    script: str,
    *,
    section: str,
    database: str,
    variables: Mapping[str, str] | None = None,
) -> Figure:
    """Transactions per second of the script by eight clients, its statements prepared."""
    site.progress(name)
    file = Path(site.stack.place.home / "pgbench.sql")
    file.write_text(script)
    words = [
        str(postgres.binaries() / "pgbench"), "--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", "--jobs=2",
        f"--time={QUICK_SECONDS if site.quick else SECONDS}", f"--file={file}",
        *(f"--define={each}={value}" for each, value in (variables or {}).items()), site.database_url(database),
    ]  # fmt: skip

    def once() -> float:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        found = re.search(r"tps = ([\d.]+)", done.stdout)
        if done.returncode != 0 or found is None:
            raise StackError(f"pgbench failed: {done.stderr.strip()[-500:]}")
        return float(found[1])

    return Figure(section=section, name=name, unit="tx/s", samples=repeated(site.repetitions, once))
