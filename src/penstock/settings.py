"""Every setting as one record: name, type, default, help.

Environment beats `[platform]` of `penstock.toml` beats the default. `Settings.load`, `penstock
check` and the help of the command line read the same records.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from penstock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+)\s*(b|kb|mb|gb)?", re.IGNORECASE)
_BYTES = {"": 1, "b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}
_PARTS = ("HOST", "PORT", "USER", "PASSWORD", "DATABASE", "DB", "SECURE")
HIGHEST_PORT = 65535
"""The highest number a TCP port may have."""


def duration(text: str) -> float:
    """Read a length of time such as `250ms`, `60s`, `10m`, `2h` or `30d`.

    Returns:
        Seconds.

    Raises:
        UsageError: the text is no length of time.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"{text!r} is no length of time",
            next_step="write a number and a unit: 250ms, 60s, 10m, 2h or 30d",
        )
    return float(match[1]) * _SECONDS[match[2]]


def size(text: str) -> int:
    """Read an amount of bytes such as `512kb`, `16mb` or `2gb` (powers of 1,024).

    Raises:
        UsageError: the text is no amount of bytes.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"{text!r} is no amount of bytes",
            next_step="write a number and a unit: 512kb, 16mb or 2gb",
        )
    return int(match[1]) * _BYTES[(match[2] or "").lower()]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        name: as in `penstock.toml` under `[platform]`; the environment variable is
            `PENSTOCK_` and the name in capitals unless `env` says otherwise.
        kind: `str`, `int`, `port`, `duration` or `size`.
        default: as a user would write it.
        help: one sentence.
        env: a conventional name of the environment where the field has one.
    """

    name: str
    kind: str
    default: str
    help: str
    env: str = ""

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return self.env or f"PENSTOCK_{self.name.upper()}"

    def convert(self, value: object) -> str | int | float:
        """A value as a user writes it, as what its kind means.

        Raises:
            UsageError: it does not fit the kind.
        """
        text = str(value)
        try:
            if self.kind == "int":
                return int(text)
            if self.kind == "port":
                return _port(text)
            if self.kind == "duration":
                return duration(text)
            if self.kind == "size":
                return size(text)
            return _text(value)
        except (ValueError, TypeError, UsageError) as error:
            raise UsageError(
                f"{self.name} = {text!r} is no {self.kind}",
                next_step=f"for example {self.default}",
            ) from error


SETTINGS = (
    Setting(
        "data",
        "str",
        ".data",
        "Folder of the data, relative to the project (in the environment: to where one is).",
    ),
    Setting("host", "str", "127.0.0.1", "Address the page and the API listen on."),
    Setting("port", "port", "8000", "Port of the page and the API."),
    Setting("engine_port", "port", "8123", "Port of the embedded engine (ClickHouse over HTTP)."),
    Setting(
        "clickhouse_url",
        "str",
        "",
        "A ClickHouse server to use instead of the embedded engine, as http://user:key@host:8123;"
        " or CLICKHOUSE_HOST with _PORT, _USER, _PASSWORD, _DATABASE and _SECURE.",
        env="CLICKHOUSE_URL",
    ),
    Setting(
        "database_url",
        "str",
        "",
        "A PostgreSQL database for the metadata, as postgresql://user:password@host/database;"
        " empty: SQLite in the data folder.",
        env="DATABASE_URL",
    ),
    Setting(
        "kafka_bootstrap_servers",
        "str",
        "",
        "The Kafka brokers that sources of kind kafka read from, as host:9092,host:9092.",
        env="KAFKA_BOOTSTRAP_SERVERS",
    ),
    Setting(
        "kafka_security_protocol",
        "str",
        "",
        "How they are spoken to: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.",
        env="KAFKA_SECURITY_PROTOCOL",
    ),
    Setting(
        "kafka_sasl_mechanism",
        "str",
        "",
        "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, where they want SASL.",
        env="KAFKA_SASL_MECHANISM",
    ),
    Setting("kafka_sasl_username", "str", "", "With it.", env="KAFKA_SASL_USERNAME"),
    Setting("kafka_sasl_password", "str", "", "With it.", env="KAFKA_SASL_PASSWORD"),
    Setting(
        "kafka_ssl_ca_location",
        "str",
        "",
        "File of the authority that their certificates are of.",
        env="KAFKA_SSL_CA_LOCATION",
    ),
    Setting("redis_url", "str", "", "A Redis server, as redis://host:6379/0.", env="REDIS_URL"),
    Setting("engine_memory", "size", "800mb", "Most memory the embedded engine may use."),
    Setting("prefix", "str", "", "Put before each domain's name to make its database's name."),
    Setting("batch_age", "duration", "400ms", "A batch is landed when its oldest row is this old."),
    Setting("batch_rows", "int", "200000", "Most rows of a batch (at most 500,000)."),
    Setting("batch_bytes", "size", "32mb", "Most bytes of a batch (at most 128 MB)."),
    Setting("backfill_rows", "int", "1000000", "Rows of a small slice of a backfill."),
    Setting(
        "webhook_url", "str", "", "Where incidents of alerts are posted that notify a webhook."
    ),
    Setting("webhook_secret", "str", "", "Signs what is posted there (HMAC-SHA256)."),
    Setting("webhook_private", "int", "0", "1 lets the webhooks be addresses inside."),
    Setting("slack_url", "str", "", "Slack's incoming webhook, for alerts that notify slack."),
    Setting("smtp_url", "str", "", "Server for mail, as smtp://user:password@host:587."),
    Setting("mail_from", "str", "", "Address that mail of alerts comes from."),
    Setting("mail_to", "str", "", "Addresses that it goes to, as a@example.org,b@example.org."),
    Setting("checks_every", "duration", "10m", "How often the data is checked; 0s: never."),
    Setting("max_body", "size", "16mb", "Most bytes of one request, after decompression."),
    Setting("spool_bytes", "size", "2gb", "Most bytes waiting to be landed, for each source."),
    Setting("spool_keep", "duration", "1h", "How long landed records stay in the spool."),
)


def in_environment(setting: Setting) -> str | None:
    """What the environment says of a setting; None where it says nothing.

    A ClickHouse server may also be named in parts, as its clients and its image have them.
    """
    said = os.environ.get(setting.variable)
    if said is not None or setting.name != "clickhouse_url":
        return said
    part = {name: os.environ.get(f"CLICKHOUSE_{name}", "") for name in _PARTS}
    if not part["HOST"]:
        return None
    host = f"[{part['HOST']}]" if ":" in part["HOST"] else part["HOST"]
    user = ":".join(quote(part[name], safe="") for name in ("USER", "PASSWORD") if part[name])
    if part["PASSWORD"] and not part["USER"]:
        user = f"default:{user}"
    scheme = "https" if part["SECURE"].lower() in {"1", "true", "yes"} else "http"
    port = f":{part['PORT']}" if part["PORT"] else ""
    database = quote(part["DATABASE"] or part["DB"], safe="")
    return f"{scheme}://{user}{'@' if user else ''}{host}{port}{'/' if database else ''}{database}"


@dataclass(frozen=True)
class Settings:
    """The settings in force.

    Attributes:
        values: one for each record of `SETTINGS`, converted to its kind.
        origins: where each value came from: `environment`, `penstock.toml` or `default`.
    """

    values: Mapping[str, str | int | float] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, toml: Mapping[str, object] | None = None) -> Settings:
        """Resolve every setting: environment, then `[platform]` of the project, then default.

        Raises:
            UsageError: a value does not fit its kind; names the setting and where it was set.
        """
        values: dict[str, str | int | float] = {}
        origins: dict[str, str] = {}
        for setting in SETTINGS:
            value: object = setting.default
            origin = "default"
            if toml is not None and setting.name in toml:
                value, origin = toml[setting.name], "penstock.toml"
            if (given := in_environment(setting)) is not None:
                value, origin = given, "environment"
            try:
                values[setting.name] = setting.convert(value)
            except UsageError as error:
                raise UsageError(
                    error.what,
                    where=f"{setting.variable} ({origin})",
                    next_step=f"for example {setting.variable}={setting.default}",
                ) from error
            origins[setting.name] = origin
        return cls(values, origins)

    def text(self, name: str) -> str:
        """The value of a setting of kind `str`."""
        return str(self.values[name])

    def number(self, name: str) -> int:
        """The value of a setting of kind `int`, `port` or `size`."""
        return int(self.values[name])

    def seconds(self, name: str) -> float:
        """The value of a setting of kind `duration`."""
        return float(self.values[name])

    def replace(self, **changes: str | float | None) -> Settings:
        """Settings with some values set by the command line; None leaves one as it is."""
        given = {k: v for k, v in changes.items() if v is not None}
        return Settings(
            {**self.values, **given}, {**self.origins, **dict.fromkeys(given, "command line")}
        )


def record(name: str) -> Setting:
    """The record of a setting. Raises KeyError where there is none."""
    return {setting.name: setting for setting in SETTINGS}[name]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port <= HIGHEST_PORT:
        raise ValueError(text)
    return port
