"""Apache Kafka: one broker that is its own controller (KRaft); jars by Maven, as pom.xml says."""

from __future__ import annotations

import base64
import fcntl
import shutil
import socket
import struct
import uuid
from pathlib import Path
from typing import IO

from deploy.native.service import HOST, Place, Service, SilentError, on_path, run

_POM = Path(__file__).with_name("pom.xml")
_SETTINGS = Path(__file__).with_name("kafka.properties")
_LOGGING = Path(__file__).with_name("log4j2.properties")
# Quick to start and small: 1.8 s and 310 MiB where the defaults take 2 s and 440.
_JVM = (
    "-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true", f"-Dlog4j2.configurationFile={_LOGGING}",
)  # fmt: skip
_METADATA, _VERSION = 3, 4
_SECONDS = 5


def jars(place: Place) -> Path:
    """The folder of the jars, fetched once for all stacks of this pom.xml."""
    found = place.programs / "kafka"
    place.programs.mkdir(parents=True, exist_ok=True)
    with (place.programs / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = found / "pom.xml"
        if kept.exists() and kept.read_bytes() == _POM.read_bytes():
            return found
        shutil.rmtree(found, ignore_errors=True)
        run(
            [
                *("mvn", "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies"),
                *("-DincludeScope=runtime", f"-DoutputDirectory={found}"),
            ],
            "fetching Kafka's jars by Maven",
            next_step="check the network (a mirror or proxy: ~/.m2/settings.xml); then again",
        )
        shutil.copyfile(_POM, kept)  # last: who finds it finds all of them
    return found


def _java(place: Place, *words: str) -> list[str]:
    return [on_path("java")(), *_JVM, "-cp", f"{place.programs / 'kafka'}/*", *words]


def _prepare(place: Place, folder: Path) -> None:
    jars(place)
    controller = place.ports["KAFKA_CONTROLLER_PORT"]
    own = {
        "listeners": f"PLAINTEXT://{_at(place)},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{_at(place)}",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "log.dirs": str(folder / "data"),
    }
    lines = [f"{name}={value}" for name, value in own.items()]
    settings = folder / "server.properties"
    settings.write_text(_SETTINGS.read_text("utf-8") + "\n".join(lines) + "\n", "utf-8")
    if (folder / "data" / "meta.properties").exists():
        return
    # A name that begins with a minus would be taken for an option.
    name = "P" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
    run(
        _java(place, "kafka.tools.StorageTool", "format", "-t", name, "-c", str(settings)),
        "formatting Kafka's folder",
        next_step=f"rm -r {folder}, then again",
    )


def _command(place: Place, folder: Path) -> list[str]:
    return _java(place, "kafka.Kafka", str(folder / "server.properties"))


def _at(place: Place) -> str:
    return f"{HOST}:{place.ports['KAFKA_PORT']}"


def _ask(place: Place) -> str:
    """A metadata request, as every client begins: which brokers there are, of which cluster."""
    # Length, API, its version, number of the request, client, no topics, make none of them.
    body = struct.pack(">hhih8sib", _METADATA, _VERSION, 1, 8, b"penstock", 0, 0)
    try:
        with socket.create_connection((HOST, place.ports["KAFKA_PORT"]), _SECONDS) as link:
            link.sendall(struct.pack(">i", len(body)) + body)
            with link.makefile("rb") as stream:
                (size,) = struct.unpack(">i", _read(stream, 4))
                answer = _read(stream, size)
    except (OSError, EOFError) as error:
        raise SilentError(f"no answer to a metadata request at {_at(place)}: {error}") from error
    brokers, cluster = _metadata(answer)
    if not brokers:
        raise SilentError("the broker is not ready: its cluster has none yet")
    return f"{brokers} broker, cluster {cluster}"


def _metadata(answer: bytes) -> tuple[int, str]:
    """(brokers, name of the cluster) of an answer: request, delay, brokers, cluster."""
    (brokers,) = struct.unpack_from(">i", answer, 8)
    at = 12
    for _ in range(brokers):  # number, host, port, rack
        at = _text(answer, at + 4)[1]
        at = _text(answer, at + 4)[1]
    return brokers, _text(answer, at)[0]


def _text(answer: bytes, at: int) -> tuple[str, int]:
    """A string with its length before it, -1 for none; and where the next field begins."""
    (length,) = struct.unpack_from(">h", answer, at)
    end = at + 2 + max(length, 0)
    return answer[at + 2 : end].decode(), end


def _read(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("the connection was closed")
    return data


KAFKA = Service(
    name="kafka",
    needs=("java", "mvn"),
    present=on_path("mvn", "java"),
    prepare=_prepare,
    command=_command,
    ask=_ask,
    environment=lambda place, _: {"KAFKA_BOOTSTRAP_SERVERS": _at(place)},
)
