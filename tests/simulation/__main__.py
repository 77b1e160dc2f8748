"""The simulation's command line: many seeds with progress and rate, or one seed with its whole history.

python -m tests.simulation --seeds 1000          seeds 0 to 999, on as many processes as there are processors
python -m tests.simulation --seed 42             one seed to the letter
python -m tests.simulation --seeds 1000 --yielding    beside tests that keep real time: only what they leave idle
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

HASH_SEED = "0"
"""The order of a set of texts is part of a history to the letter."""
PROGRESS_EVERY_S = 5.0


def main() -> int:
    """Run what was asked for; 0 where every invariant held."""
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:
        os.environ["PYTHONHASHSEED"] = HASH_SEED
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    asked = _arguments()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if asked.part:
        return _part(asked)
    return _one(asked) if asked.seed is not None else _many(asked)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="replay this one and print its history")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--yielding", action="store_true", help="use only what other processes leave idle")
    parser.add_argument("--stop", action="store_true", help="stop at the first violation")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    return parser.parse_args()


def _part(asked: argparse.Namespace) -> int:
    """One worker's share, a line of JSON per seed."""
    from tests.simulation.run import run_seed
    from tests.simulation.storage import storage

    number, of = (int(part) for part in asked.part.split("/"))
    if of > 1:  # several runs of one worker each would all stay on the first processor
        _stay_on_one_processor(number)
    with storage() as stored:
        for seed in range(asked.first + number, asked.first + asked.seeds, of):
            verdict = run_seed(seed, stored)
            told = {
                "seed": seed,
                "violations": verdict.violations,
                "digest": verdict.digest,
                "counts": verdict.counts,
                "virtual_s": verdict.virtual_s,
            }
            print(json.dumps(told), flush=True)
            if verdict.violations and asked.stop:
                break
    return 0


def _one(asked: argparse.Namespace) -> int:
    from tests.simulation.run import run_seed
    from tests.simulation.storage import storage

    with storage() as stored:
        verdict = run_seed(asked.seed, stored)
    if asked.json:
        print(json.dumps({"seed": verdict.seed, "violations": verdict.violations, "digest": verdict.digest,
                          "history": verdict.lines}))  # fmt: skip
    else:
        print("\n".join(verdict.lines))
        print(f"seed {verdict.seed}: history {verdict.digest}, {verdict.virtual_s:.1f} virtual seconds")
        for violation in verdict.violations:
            print(f"VIOLATION {violation}")
    return 1 if verdict.violations else 0


class _Tally:
    """What all workers found so far; tells how far they are."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self._asked = asked
        self._began_s = time.monotonic()
        self._told_s = self._began_s
        self.done = 0
        self.virtual_s = 0.0
        self.counts: Counter[str] = Counter()
        self.violated: list[dict[str, Any]] = []

    def add(self, told: dict[str, Any]) -> None:
        self.done += 1
        self.virtual_s += told["virtual_s"]
        self.counts.update(told["counts"])
        if told["violations"]:
            self.violated.append(told)
            _say(f"seed {told['seed']}: {told['violations'][0]}")
        if time.monotonic() - self._told_s > PROGRESS_EVERY_S:
            self._told_s = time.monotonic()
            _say(f"{self.done} of {self._asked.seeds} seeds, {self.rate:.2f} per second")

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began_s

    @property
    def rate(self) -> float:
        return self.done / self.seconds

    def result(self) -> dict[str, Any]:
        from tests.simulation.activity import ENOUGH_SEEDS, missing

        faults = {name: n for name, n in sorted(self.counts.items()) if name.startswith(("fault:", "crash:"))}
        return {
            "seeds": self.done,
            "first": self._asked.first,
            "seconds": round(self.seconds, 1),
            "seeds_per_second": round(self.rate, 2),
            "virtual_hours": round(self.virtual_s / 3600, 1),
            "faults": faults,
            "counts": {name: n for name, n in sorted(self.counts.items()) if name not in faults},
            "never_happened": missing(self.counts) if self.done >= ENOUGH_SEEDS else [],
            "violated": sorted(self.violated, key=lambda told: told["seed"]),
        }


def _yield_to_others() -> None:
    """Take no processor that anybody else wants; workers and their servers inherit it. Virtual time does not notice."""
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.nice(19)


def _stay_on_one_processor(number: int) -> None:
    """A worker and its server take turns, never at once: on one processor neither has to be woken on another.

    That takes a tenth off a seed's time.
    """
    if hasattr(os, "sched_setaffinity"):
        ours = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {ours[number % len(ours)]})


def _many(asked: argparse.Namespace) -> int:
    if asked.yielding:
        _yield_to_others()
    tally = _Tally(asked)
    workers = max(1, min(asked.workers, asked.seeds))
    with ThreadPoolExecutor(workers) as threads:
        list(threads.map(lambda number: _worker(asked, f"{number}/{workers}", tally), range(workers)))
    result = tally.result()
    if asked.json:
        print(json.dumps(result))
    else:
        _print(result)
    if tally.done < asked.seeds and not tally.violated:
        _say("a worker ended early")
        return 1
    return 1 if result["violated"] or result["never_happened"] else 0


def _worker(asked: argparse.Namespace, part: str, tally: _Tally) -> None:
    words = [sys.executable, "-m", "tests.simulation", "--part", part, "--first", str(asked.first)]
    words += ["--seeds", str(asked.seeds), *(["--stop"] if asked.stop else [])]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        told_to_end = False
        for line in process.stdout or ():
            tally.add(json.loads(line))
            if tally.violated and asked.stop and not told_to_end:
                told_to_end = True
                process.terminate()


def _print(result: dict[str, Any]) -> None:
    interesting = ("payment:", "operation:", "case:", "attempt:", "answer:", "refused:")
    for name, number in result["counts"].items():
        if name.startswith(interesting) or name in ("records", "record copies", "webhook copies", "replayed"):
            print(f"  {name:<48}{number:>9}")
    for name, number in result["faults"].items():
        print(f"  {name:<48}{number:>9}")
    for told in result["violated"]:
        for violation in told["violations"][:3]:
            print(f"VIOLATION in seed {told['seed']}: {violation}")
    for name in result["never_happened"]:
        print(f"NEVER HAPPENED: {name}")
    print(
        f"{result['seeds']} seeds, {result['virtual_hours']} virtual hours, {len(result['violated'])} with violations,"
        f" {result['seconds']} s, {result['seeds_per_second']} seeds per second"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
