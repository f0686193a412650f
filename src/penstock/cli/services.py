"""Whether the services that the settings name answer, and what to do where one does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.cli.config import masked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.settings import Settings

_SECONDS = 5


class Finding(NamedTuple):
    """What was found of one thing.

    Attributes:
        check: its name.
        found: what it is like.
        fix: what to do about it; empty where it is right.
        away: whether it is a service that cannot be reached.
    """

    check: str
    found: str
    fix: str = ""
    away: bool = False


def findings(settings: Settings) -> Iterator[Finding]:
    """Ask each service that is named; those that are not are no concern."""
    asked = {
        "clickhouse_url": clickhouse,
        "kafka_bootstrap_servers": kafka,
        "redis_url": redis,
        "database_url": database,
    }
    for name, ask in asked.items():
        if given := settings.text(name):
            yield ask(given)


def clickhouse(url: str) -> Finding:
    """A ClickHouse server: its version."""
    from penstock.engine.client import Address, Client
    from penstock.errors import EngineDownError, PenstockError

    try:
        address = Address.parse(url)
        version = Client(address, timeout=10).value("SELECT version()")
    except PenstockError as error:
        fix = error.next_step or "check CLICKHOUSE_URL"
        return Finding("clickhouse", error.what, fix, isinstance(error, EngineDownError))
    return Finding("clickhouse", f"{address.host}:{address.port} answers: ClickHouse {version}")


def kafka(servers: str) -> Finding:
    """A Kafka cluster: where its brokers say that they are (they tell clients no version)."""
    try:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient
    except ImportError:
        return _no_driver("kafka", "confluent-kafka")
    said: list[str] = []
    options: dict[str, Any] = {
        "bootstrap.servers": servers,
        "log_level": 0,
        "error_cb": lambda error: said.append(error.str()),
    }
    admin = AdminClient(options)
    try:
        cluster = admin.list_topics(timeout=_SECONDS)
    except KafkaException as error:
        admin.poll(0)  # hears what the connections have met
        reason = said[0] if said else error.args[0].str()
        fix = _START.format(service="kafka", variable="KAFKA_BOOTSTRAP_SERVERS")
        return Finding("kafka", f"{servers} does not answer: {reason}", fix, away=True)
    # A client is sent on to these addresses, whatever it was given to begin with.
    brokers = ", ".join(f"{b.host}:{b.port}" for b in cluster.brokers.values())
    count = len(cluster.topics)
    return Finding("kafka", f"{servers} answers: brokers {brokers}; {count} topics")


def redis(url: str) -> Finding:
    """A Redis server: its version."""
    try:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError
        from redis.retry import Retry
    except ImportError:
        return _no_driver("redis", "redis")
    where = masked(url)
    try:
        once = Retry(NoBackoff(), 0)
        with Redis.from_url(
            url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS, retry=once
        ) as client:
            version = client.info("server")["redis_version"]
    except ValueError as error:
        return Finding("redis", f"{where}: {error}", "write redis://[user:password@]host:6379/0")
    except RedisError as error:
        fix = _START.format(service="redis", variable="REDIS_URL")
        return Finding("redis", f"{where} does not answer: {error}", fix, away=True)
    return Finding("redis", f"{where} answers: Redis {version}")


def database(url: str) -> Finding:
    """The database of the metadata: its server's version; a file is only named."""
    from sqlalchemy.exc import DatabaseError

    from penstock.errors import PenstockError, StoreDownError
    from penstock.store.dialects import Postgres, dialect_of

    try:
        dialect = dialect_of(url)
        if not isinstance(dialect, Postgres):
            return Finding("database", f"SQLite in {dialect.where}")
        with dialect.engine().connect() as connection:
            version = connection.exec_driver_sql("SHOW server_version").scalar_one()
    except PenstockError as error:
        return Finding("database", error.what, error.next_step or error.fix)
    except DatabaseError as error:
        told = dialect.explain(error) or PenstockError(str(error.orig))
        fix = _START.format(service="postgres", variable="DATABASE_URL")
        return Finding("database", f"{dialect.where}: {told.what}", fix,
                       isinstance(told, StoreDownError))  # fmt: skip
    return Finding("database", f"{dialect.where} answers: PostgreSQL {version}")


_START = "start it (in a clone: make stack SERVICES={service}), or correct {variable}"


def _no_driver(extra: str, package: str) -> Finding:
    return Finding(extra, f"the driver {package} is not here", f"pip install 'penstock[{extra}]'")
