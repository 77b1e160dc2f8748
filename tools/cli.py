"""`tieout`: the operator's and the developer's tool. Commands are thin; each calls one function of one package."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Run Tieout on this machine, look after it, and prove that its books tie out.",
)
operators = typer.Typer(no_args_is_help=True, help="Operators' access tokens.")
app.add_typer(operators, name="operators")
topics = typer.Typer(no_args_is_help=True, help="Kafka topics, as schemas/topics declares them.")
app.add_typer(topics, name="topics")

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
TERMINATED = 128 + signal.SIGTERM
console = Console(stderr=True, highlight=False)


def _say(text: str) -> None:
    console.print(f"  [green]·[/green] {text}")


@app.command()
def up(as_json: JsonFlag = False) -> None:
    """Start PostgreSQL, Kafka and all services here, and print URLs, a test key and a first request."""
    from tools.local_stack.card import card, card_as_json
    from tools.local_stack.layout import layout
    from tools.local_stack.stack import LocalStack

    stack = LocalStack(layout())
    try:
        stack.up(_say)
    except BaseException:
        stack.down()
        raise
    print(json.dumps(card_as_json(stack)) if as_json else card(stack))


@app.command()
def down() -> None:
    """Stop everything that `up` started; the data stays."""
    from tools.local_stack.layout import layout
    from tools.local_stack.stack import LocalStack

    LocalStack(layout()).down()
    _say("stopped")


@app.command()
def demo(
    as_json: JsonFlag = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running afterwards.")] = False,
    fault: Annotated[
        str | None, typer.Option(help="Tell one fault's story instead; `list` names them all.")
    ] = None,
) -> None:
    """Start everything on empty data, drive payments of every kind with faults, prove that the books tie out."""
    from tools.demo.demo import print_stories, run_demo, run_story
    from tools.demo.stories import STORIES

    output = console if as_json else Console(highlight=False, soft_wrap=fault not in (None, "list"))
    if fault == "list":
        print_stories(output)
        return
    if fault is not None and fault not in STORIES:
        raise typer.BadParameter(f"no story {fault!r}; there are: {', '.join(STORIES)}", param_hint="--fault")
    proof = run_demo(output, keep=keep) if fault is None else run_story(output, fault, keep=keep)
    if as_json:
        print(json.dumps(proof, default=str))
    raise typer.Exit(0 if proof["ties_out"] else 1)


@app.command()
def faults(
    as_json: JsonFlag = False,
    count: Annotated[int, typer.Option(min=1, help="How many faults.")] = 1_000,
    seed: Annotated[int, typer.Option(min=0, help="Which ones: the same seed brings the same faults.")] = 1,
    often: Annotated[str | None, typer.Option(help="A fate that one payment in four shall have.")] = None,
) -> None:
    """Strike payments with random faults at full load, on a stack of its own; prove that nothing is lost."""
    from tools.faults.plan import SPECIAL
    from tools.faults.storm import as_json as to_json
    from tools.faults.storm import run_storm

    if often is not None and often not in SPECIAL:
        raise typer.BadParameter(f"one of {', '.join(SPECIAL)}", param_hint="--often")
    told = console if as_json else Console(highlight=False)
    storm = run_storm(told, count=count, seed=seed, often=SPECIAL.get(often or ""))
    if as_json:
        print(json.dumps(to_json(storm), default=str))
    raise typer.Exit(0 if storm.holds else 1)


@app.command()
def bench(
    as_json: JsonFlag = False,
    quick: Annotated[bool, typer.Option("--quick", help="One short repetition of each.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Write each section into docs/benchmarks.md as well.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="A section by its word, as often as wanted: base, ledger, bulk, latency, create, working, journey, "
            "readers, matching, projection, or growth (an hour, and in no full run)."
        ),
    ] = None,
    entries: Annotated[int, typer.Option(min=1_000, help="How far growth goes.")] = 10_000_000,
) -> None:
    """Measure speed beside raw PostgreSQL and Kafka, on stacks of its own; some fifteen minutes for everything."""
    from tools.bench import page
    from tools.bench.bench import run_bench
    from tools.bench.sections import WORDS, chosen

    if unknown := [word for word in only or () if word not in WORDS]:
        raise typer.BadParameter(f"{unknown[0]} is none of {', '.join(WORDS)}", param_hint="--only")
    run = run_bench(
        _say,
        chosen(only or []),
        quick=quick,
        entries=entries,
        done=page.write if write else lambda _: None,
    )
    if as_json:
        print(json.dumps(run.as_json()))
    else:
        page.show(run, Console(highlight=False))
    if run.failed:
        raise typer.Exit(1)


@app.command()
def status(as_json: JsonFlag = False) -> None:
    """Show every process of the local stack."""
    from tools.local_stack.layout import layout
    from tools.local_stack.stack import LocalStack

    stack = LocalStack(layout())
    if stack.supervisor.pid is None:
        print("[]" if as_json else "not running; start it with `make up`")
        raise typer.Exit(1)
    rows = [{key: row[key] for key in ("name", "statename", "pid")} for row in stack.supervisor.processes()]
    if as_json:
        print(json.dumps(rows))
    else:
        for row in rows:
            print(f"{row['name']:<16} {row['statename']:<10} {row['pid']}")


@app.command()
def logs(
    service: Annotated[
        str, typer.Argument(help="payment, processor, ledger, webhook_ingest, sandbox, kafka, …")
    ],
    lines: Annotated[int, typer.Option(help="How many of the last lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing.")] = False,
) -> None:
    """Print a service's log."""
    from tools.local_stack.layout import layout

    file = layout().logs / f"{service}.log"
    if not file.exists():
        known = (
            ", ".join(sorted(path.stem for path in file.parent.glob("*.log"))) or "none yet; run `make up`"
        )
        raise typer.BadParameter(f"no log of {service!r}; there are: {known}")
    words = ["tail", "-n", str(lines), *(["-f"] if follow else []), str(file)]
    raise typer.Exit(subprocess.run(words, check=False).returncode)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def infra(
    context: typer.Context,
    home: Annotated[Path | None, typer.Option(help="Folder for data; a temporary one by default.")] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Data in memory where it has 8 GiB of room, for small databases.")
    ] = False,
) -> None:
    """Start a throw-away PostgreSQL and Kafka, run the command after `--` with their addresses, stop them."""
    from tools.local_stack.infrastructure import throw_away_infrastructure

    if not context.args:
        raise typer.BadParameter("give a command after --, for example: tieout infra -- pytest")
    with throw_away_infrastructure(home, in_memory=memory) as addresses:
        done = subprocess.run(context.args, env={**os.environ, **addresses}, check=False)
    raise typer.Exit(done.returncode)


@app.command(
    add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def ledger(context: typer.Context) -> None:
    """Run the ledger's command line on the local stack's books, or on those that LEDGER_DATABASE_URL names."""
    from tools.local_stack.commands import run_command

    raise typer.Exit(run_command("ledger", context.args))


@app.command()
def timeline(
    payment: Annotated[str, typer.Argument(help="The payment's id, pay_...")],
    as_json: JsonFlag = False,
    url: Annotated[
        str | None, typer.Option(help="Where payment serves; the local stack's by default.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar="TIEOUT_OPERATOR_TOKEN", help="An operator's token; needed with --url."),
    ] = None,
) -> None:
    """Print everything that happened to a payment, with causes and times; of archived days without events."""
    from tools.timeline import fetch_timeline, print_timeline

    story = fetch_timeline(payment, url=url, token=token)
    if as_json:
        print(json.dumps(story))
    else:
        print_timeline(Console(highlight=False, soft_wrap=True), story)


@app.command()
def verify(
    live: Annotated[
        bool, typer.Option("--live/--drained", help="Ask only what holds at any moment; do not wait.")
    ] = False,
    as_json: JsonFlag = False,
    deadline: Annotated[float, typer.Option(help="Seconds to wait until everything is delivered.")] = 120.0,
    only: Annotated[str | None, typer.Option(help="Only invariants whose name starts like this.")] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what would be asked and look at nothing.")
    ] = False,
) -> None:
    """Prove that the books tie out, with read-only roles; exit code 1 and the rows where they do not."""
    from tools.auditor.addresses import Addresses
    from tools.auditor.audit import audit
    from tools.auditor.printing import print_explanations, print_report
    from tools.auditor.registry import explained

    output = Console(highlight=False)
    if explain:
        told = explained(drained=not live, only=only)
        if as_json:
            print(json.dumps(told))
        else:
            print_explanations(output, told)
        return
    report = audit(Addresses.found(), drained=not live, deadline_s=deadline, only=only)
    if as_json:
        print(json.dumps(asdict(report), default=str))
    else:
        print_report(output, report)
    raise typer.Exit(0 if report.holds else 1)


@operators.command("issue")
def operators_issue(
    subject: Annotated[str, typer.Argument(help="Who it is for, as it will stand in every audit row.")],
    role: Annotated[str, typer.Option(help="viewer, operator, approver or admin.")] = "viewer",
    minutes: Annotated[int, typer.Option(help="How long it lives.")] = 60,
    private_key: Annotated[
        Path | None, typer.Option(help="PEM of the signing key; the local stack's own by default.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Issue a short-lived operator's token, which every service verifies offline."""
    from shared.runtime.operator_tokens import OperatorRole, TokenIssuer
    from tools.local_stack.layout import layout

    if role.upper() not in OperatorRole.__members__:
        raise typer.BadParameter(f"{role!r} is no role; expected viewer, operator, approver or admin")
    file = private_key or layout().secrets / "operator_tokens.pem"
    if not file.exists():
        raise typer.BadParameter(f"no signing key at {file}; run `make up` or give --private-key")
    token = TokenIssuer(file.read_text()).operator(subject, OperatorRole[role.upper()], minutes * 60)
    print(json.dumps({"token": token}) if as_json else token)


@operators.command("new-key")
def operators_new_key(
    folder: Annotated[Path, typer.Argument(help="Folder that gets operator_tokens.pem and its public half.")],
) -> None:
    """Make a signing key; services get the public half as OPERATOR_PUBLIC_KEY."""
    from shared.runtime.operator_tokens import new_key_pair

    private, public = new_key_pair()
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder / "operator_tokens.pem"
    secret.touch(mode=0o600, exist_ok=False)
    secret.write_text(private)
    (folder / "operator_tokens.public.pem").write_text(public)
    _say(f"written to {folder}")


@topics.command("create")
def topics_create(
    bootstrap: Annotated[str, typer.Option(envvar="TIEOUT_KAFKA_BOOTSTRAP", help="Kafka bootstrap servers.")],
    prefix: Annotated[
        str, typer.Option(envvar="TIEOUT_KAFKA_TOPIC_PREFIX", help="Prefix of every topic.")
    ] = "",
) -> None:
    """Create the declared topics that are missing; refuse where an existing one differs."""
    from shared.messaging.kafka import KafkaBroker
    from shared.messaging.topics import create_topics

    create_topics(KafkaBroker(bootstrap, topic_prefix=prefix))
    _say("topics are as declared")


def main() -> None:
    """Entry point: known errors are one line on standard error, exit code 1."""
    from tools.auditor.model import AuditImpossible
    from tools.local_stack.layout import StackError

    # A polite kill ends like Ctrl-C: what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        app()
    except (StackError, AuditImpossible) as problem:
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("stopped")
        sys.exit(130)


if __name__ == "__main__":
    main()
