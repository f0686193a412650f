"""`penstock sources`: where each source stands, and what topics there are to read."""

from __future__ import annotations

import time
from typing import Any

import typer

from penstock.cli.place import HERE, DataPath, ProjectPath, again, settings_of
from penstock.cli.terminal import Command, Group, Json, emit, say, table
from penstock.errors import SourceDownError, UsageError

app = typer.Typer(cls=Group, no_args_is_help=True, help="Where each source stands.")


@app.command("ls", cls=Command)
def listing(project: ProjectPath = HERE, data: DataPath = None, json: Json = False) -> None:
    """Show each source of the running platform, and of a topic each partition."""
    from penstock.cli.running import get, look

    document = get(f"{look(project, data).url}/v1/sources")
    if json:
        emit(document)
        return
    lines = [line for source in document["sources"] for line in _lines(source)]
    table(lines, ["source", "state", "part", "position", "lag", "behind_s", "rows_s", "reason"])
    say(f"next: penstock status{again(project, data)}")


def _lines(source: dict[str, Any]) -> list[dict[str, Any]]:
    """A line for each part of a source; the first one says how the source is."""
    recent = source["rates"][-10:]
    own = {
        "source": f"{source['domain']}/{source['source']}",
        "state": source["state"],
        "rows_s": round(sum(recent) / max(1, len(recent))),
        "reason": source["reason"].splitlines()[0] if source["reason"] else "",
    }
    empty = dict.fromkeys(own, "")
    parts = [
        {
            "part": part["part"],
            "position": part["landed"],
            "lag": max(part["high"], part["received"]) - part["landed"],
            "behind_s": _behind(part),
        }
        for part in source["parts"]
    ]
    none = dict.fromkeys(("part", "position", "lag", "behind_s"), "")
    return [{**(empty if number else own), **part} for number, part in enumerate(parts or [none])]


def _behind(part: dict[str, Any]) -> float | str:
    """Seconds since the newest record fetched was made, where there are more; else 0."""
    if max(part["high"], part["received"]) <= part["landed"]:
        return 0
    return "" if part["sent_ms"] < 0 else round(time.time() - part["sent_ms"] / 1000, 1)


@app.command(cls=Command)
def topics(project: ProjectPath = HERE, json: Json = False) -> None:
    """Show the topics of the brokers, with their partitions and records."""
    from confluent_kafka import Consumer, KafkaException, TopicPartition

    from penstock.sources.kafka import brokers

    found = brokers(settings_of(project))
    if not found:
        raise UsageError(
            "no brokers are named",
            next_step="KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 penstock sources topics",
        )
    consumer = Consumer({**found, "group.id": "penstock-topics"})
    try:
        known = consumer.list_topics(timeout=10).topics
        lines = []
        for name in sorted(known):
            ends = [
                consumer.get_watermark_offsets(TopicPartition(name, part), timeout=10)
                for part in known[name].partitions
            ]
            held = sum(high - low for low, high in ends)
            lines.append({"topic": name, "partitions": len(ends), "records": held})
    except KafkaException as error:
        raise SourceDownError(
            f"the brokers do not answer: {error.args[0].str()}", where=found["bootstrap.servers"]
        ) from error
    finally:
        consumer.close()
    own = [line for line in lines if not str(line["topic"]).startswith("__")]
    if json:
        emit({"topics": own})
        return
    table(own, ["topic", "partitions", "records"])
    say(f'next: a source reads one: kind = "kafka", topic = "…"; penstock check{again(project)}')
