"""Brings the local stack up and down: parts, databases, topics, services, a first merchant.

Every step is repeatable: a second ``up`` on a running stack changes nothing.
"""

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import httpx2
import psutil

from shared.messaging.kafka import KafkaBroker
from shared.messaging.topics import create_topics
from shared.persistence.provision import ServiceUrls, provision
from shared.runtime.cli_token import TOKEN_VARIABLE
from tools.local_stack import kafka, postgres
from tools.local_stack.children import inherited
from tools.local_stack.empty_books import require_empty_books
from tools.local_stack.layout import Layout, StackError, remembered_ports
from tools.local_stack.secret_store import SecretStore
from tools.local_stack.services import SERVICES, LocalService, plain_settings, secret_settings
from tools.local_stack.supervision import Program, Supervisor, write_config

READY_DEADLINE_S: Final = 90.0
POSTGRES_URL: Final = "TIEOUT_POSTGRES_URL"
KAFKA_BOOTSTRAP: Final = "TIEOUT_KAFKA_BOOTSTRAP"
PORT_NAMES: Final = (
    "supervisor",
    "postgres",
    "kafka",
    "kafka_controller",
    *(service.name for service in SERVICES),
)

_NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""On loopback nothing is encrypted; a client's own context reads every root certificate, 40 ms of work per question."""
DEFAULT_PROCESSOR: Final = "alpha"
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Merchant:
    """The stack's first merchant and its test key."""

    merchant_id: str
    api_key: str


class LocalStack:
    """One stack below one home folder."""

    def __init__(self, place: Layout, *, extra_settings: dict[str, dict[str, str]] | None = None) -> None:
        place.prepare()
        self.place = place
        self.ports = remembered_ports(place, list(PORT_NAMES))
        self.secrets = SecretStore(place)
        self.supervisor = Supervisor(
            place, control_port=self.ports["supervisor"], control_password=self.secrets.text("supervisor")
        )
        self._extra_settings = extra_settings or {}

    # -- addresses -------------------------------------------------------------------------------------------------

    @cached_property
    def admin_url(self) -> str:
        given = os.environ.get(POSTGRES_URL)
        return given or postgres.admin_url(
            self.ports["postgres"], self.secrets.text("postgres_superuser_password")
        )

    @cached_property
    def bootstrap(self) -> str:
        return os.environ.get(KAFKA_BOOTSTRAP) or f"127.0.0.1:{self.ports['kafka']}"

    @property
    def topic_prefix(self) -> str:
        return os.environ.get("TIEOUT_KAFKA_TOPIC_PREFIX", "")

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"

    def reader_urls(self) -> dict[str, str]:
        """The read-only URL of every service's database, for the auditor."""
        return {service.name: self._provision(service).reader for service in SERVICES}

    # -- up --------------------------------------------------------------------------------------------------------

    def up(self, progress: Progress, *, empty: bool = False) -> None:
        """Start everything; returns once every service is ready and the first merchant exists.

        ``empty``: for whoever counts from nothing; books of an earlier run on given servers are a ``StackError``.
        """
        if self.supervisor.pid is not None:
            progress("already running")
            return
        self._start_parts(progress)
        progress("databases, roles, migrations")
        urls = {service.name: self._provision(service) for service in SERVICES}
        self._write_secrets(urls)
        self._migrate()
        progress("topics")
        broker = KafkaBroker(self.bootstrap, topic_prefix=self.topic_prefix)
        create_topics(broker)
        if empty:
            require_empty_books(urls["payment"].reader, broker)
        progress("services")
        for service in SERVICES:
            self.supervisor.start(service.name)
        for service in SERVICES:
            self._wait_ready(service)
        self.merchant(progress)

    def _start_parts(self, progress: Progress) -> None:
        local_postgres, local_kafka = not os.environ.get(POSTGRES_URL), not os.environ.get(KAFKA_BOOTSTRAP)
        if not local_postgres:
            postgres.wait_until_ready(self.admin_url, named_by=POSTGRES_URL)
        if not local_kafka:
            kafka.wait_until_ready(self.bootstrap, named_by=KAFKA_BOOTSTRAP)
        if local_kafka:
            progress("Kafka's jars (fetched once)")
            kafka.jars()
            kafka.initialise(
                self.place, port=self.ports["kafka"], controller_port=self.ports["kafka_controller"]
            )
        if local_postgres:
            postgres.initialise(self.place, self.secrets.text("postgres_superuser_password"))
        self._configure(local_postgres=local_postgres, local_kafka=local_kafka)
        progress("PostgreSQL and Kafka")
        self.supervisor.launch()
        postgres.wait_until_ready(self.admin_url)
        kafka.wait_until_ready(self.bootstrap)

    def _configure(self, *, local_postgres: bool, local_kafka: bool) -> None:
        programs = [
            Program(
                service.name,
                [_entry_point(service.command), "run"],
                self.environment(service),
                priority=200 + n,
            )
            for n, service in enumerate(SERVICES)
        ]
        if local_postgres:
            command = postgres.server_command(self.place, self.ports["postgres"])
            # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for every client.
            programs.append(Program("postgres", command, priority=10, starts_itself=True, stop_signal="INT"))
        if local_kafka:
            programs.append(
                Program("kafka", kafka.server_command(self.place), priority=20, starts_itself=True)
            )
        write_config(
            self.place,
            programs,
            control_port=self.ports["supervisor"],
            control_password=self.secrets.text("supervisor"),
        )

    def environment(self, service: LocalService) -> dict[str, str]:
        """The environment of one service's processes; secrets are files in its own folder."""
        settings = plain_settings(service, self.ports, self.bootstrap, self.topic_prefix)
        settings |= self._extra_settings.get(service.name, {})
        settings["SECRETS_DIR"] = str(self._secrets_folder(service))
        return {service.prefix + name: value for name, value in settings.items()}

    def _secrets_folder(self, service: LocalService) -> Path:
        return self.place.secrets / service.name

    def _provision(self, service: LocalService) -> ServiceUrls:
        return provision(self.admin_url, service.name, password=self.secrets.text("database_roles"))

    def _write_secrets(self, urls: dict[str, ServiceUrls]) -> None:
        for service in SERVICES:
            folder = self._secrets_folder(service)
            folder.mkdir(mode=0o700, exist_ok=True)
            for name, value in secret_settings(service, urls[service.name], self.secrets).items():
                file = folder / (service.prefix + name).lower()
                file.touch(mode=0o600)
                file.write_text(value)

    def _migrate(self) -> None:
        running = {
            service.name: subprocess.Popen(
                [_entry_point(service.command), "migrate"],
                env=inherited() | self.environment(service),
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )
            for service in SERVICES
        }  # fmt: skip
        for name, process in running.items():
            output, _ = process.communicate()
            if process.returncode != 0:
                raise StackError(f"migrating {name} failed:\n{output[-2000:]}")

    def is_ready(self, service: str) -> bool:
        """Whether the service takes requests."""
        try:
            reply = httpx2.get(self.url(service) + "/health/ready", timeout=2, verify=_NO_TLS)
        except httpx2.TransportError:
            return False
        return reply.status_code == httpx2.codes.OK

    def _wait_ready(self, service: LocalService) -> None:
        deadline = time.monotonic() + READY_DEADLINE_S
        while True:
            if self.is_ready(service.name):
                return
            if time.monotonic() > deadline:
                raise StackError(
                    f"{service.name} was not ready within {READY_DEADLINE_S:.0f} s; its log: "
                    f"{self.place.logs / (service.name + '.log')}"
                )
            time.sleep(0.1)

    # -- merchant --------------------------------------------------------------------------------------------------

    def merchant(self, progress: Progress, processor: str = DEFAULT_PROCESSOR) -> Merchant:
        """A processor's first merchant with a price and a test key; made once, through payment's own CLI."""
        elsewhere = processor != DEFAULT_PROCESSOR
        file = self.place.secrets / (f"merchant_{processor}.json" if elsewhere else "merchant.json")
        if not file.exists():
            progress(f"a merchant and a test key at {processor}")
            reason = f"first merchant at {processor}"
            merchant_id = self.as_admin("merchants", "add", "--name", "Demo shop", reason=reason)[
                "merchant_id"
            ]
            price = ("--percent", "2.9", "--fixed-minor", "30")
            self.as_admin("prices", "set", merchant_id, *price, reason=reason)
            if elsewhere:
                route = ("--merchant", merchant_id, "--processor", processor)
                self.as_admin("routes", "set", *route, reason=reason)
            key = self.as_admin("keys", "issue", merchant_id, "--mode", "test", reason=reason)["api_key"]
            file.touch(mode=0o600)
            file.write_text(json.dumps({"merchant_id": merchant_id, "api_key": key}))
        return Merchant(**json.loads(file.read_text()))

    def as_admin(self, *words: str, reason: str) -> dict[str, Any]:
        """Run a command of payment that an admin may, with a token that the stack issues to itself; its answer."""
        token = self.operator_token("local-stack", "admin")
        answer: dict[str, Any] = json.loads(
            self.cli("payment", *words, "--reason", reason, "--json", token=token)
        )
        return answer

    def operator_token(self, subject: str, role: str) -> str:
        """A token of this stack, as ``tieout operators issue`` makes one."""
        from shared.runtime.operator_tokens import OperatorRole, TokenIssuer

        issuer = TokenIssuer(self.secrets.ed25519("operator_tokens")[0])
        return issuer.operator(subject, OperatorRole.named(role))

    def cli(self, service_name: str, *words: str, token: str | None = None) -> str:
        """Run a service's own command with its settings, by the operator of ``token``; returns its standard output."""
        service = next(service for service in SERVICES if service.name == service_name)
        done = subprocess.run(
            [_entry_point(service.command), *words],
            env=inherited() | self.environment(service) | ({TOKEN_VARIABLE: token} if token else {}),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise StackError(
                f"{service.command} {' '.join(words)} failed: {(done.stderr or done.stdout).strip()}"
            )
        return done.stdout

    # -- down ------------------------------------------------------------------------------------------------------

    def down(self) -> None:
        """Stop every process of the stack; data stays."""
        self.supervisor.shut_down()

    def kill(self, service: str) -> None:
        """Kill -9 one service; the supervisor starts it again."""
        pid = self.supervisor.pid_of(service)
        if pid:
            psutil.Process(pid).kill()


def _entry_point(command: str) -> str:
    return str(Path(sys.executable).parent / command)
