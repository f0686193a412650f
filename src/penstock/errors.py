"""Every error of Penstock, in one tree; each says what happened, where, and what to do next.

Each class has a stable reference, a fix and a command, which stand in docs/errors.md.

::

    PenstockError                 base: catch this to catch all
    ├── UsageError                the words of a command are off                     exit 2
    ├── InvalidProjectError       mistakes in a project's files, all of them at once exit 5
    ├── RefusedChangeError        apply would change or lose data                    exit 3
    ├── EngineError               the engine refused a statement (code and name)     exit 1
    │   └── EngineDownError       the engine cannot be reached: worth a retry        exit 6
    ├── DataDirError              the data directory cannot be used                  exit 1
    │   ├── DataDirTakenError     another platform owns it (names its process)
    │   └── BackupError           a backup cannot be taken, or is no sound one
    ├── StoreError                the metadata store's server refuses                exit 1
    │   └── StoreDownError        it cannot be reached: worth a retry                exit 6
    ├── PortTakenError            an address is in use                               exit 1
    ├── LedgerError               the ledger refused a step                          exit 1
    │   ├── StaleLeaseError       a newer lander holds the stream: stop writing
    │   ├── StandStillError       landing is held for a moment: wait
    │   └── IncarnationError      the source is another one than the ledger knows
    ├── SourceDownError           a broker cannot be reached: worth a retry          exit 6
    ├── LandingBlockedError       a batch failed too often; nothing is skipped       exit 1
    ├── DeliveryError             somebody could not be told of an incident          exit 1
    ├── ExpectationError          a test's rows are not those it expects             exit 4
    ├── SpoolFullError            the spool has reached its bound: try again later   exit 1
    └── BadInputError             a request or a file cannot be taken (HTTP status)  exit 1
"""

from __future__ import annotations

from dataclasses import dataclass


class PenstockError(Exception):
    """Base of all errors.

    Args:
        what: what happened, as a sentence.
        where: file and line, address or statement it happened at.
        next_step: what the reader can do about it.

    Attributes:
        reference: a code that stays the same however the words change.
        fix: what helps, where `next_step` says nothing more exact.
        command: the first one to run.
    """

    exit_code = 1
    reference = "PNS-1000"
    fix = "read the lines above it; where it stays, report it with this text and the version"
    command = "penstock doctor"

    def __init__(self, what: str, *, where: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.next_step = next_step

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  at    {self.where}")
        if self.next_step:
            lines.append(f"  next  {self.next_step}")
        return "\n".join(lines)

    def told(self) -> str:
        """For a terminal: reference and cause, place, fix, and a command unless the fix has one."""
        lines = [f"{self.reference}  {self.what}"]
        if self.where:
            lines.append(f"  at    {self.where}")
        fix = self.next_step or self.fix
        lines.append(f"  next  {fix}")
        if "penstock " not in fix:
            lines.append(f"  run   {self.command}")
        return "\n".join(lines)


class UsageError(PenstockError):
    """The words of a command are off."""

    exit_code = 2
    reference = "PNS-1001"
    fix = "correct the words of the command"
    command = "penstock --help"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a project's files.

    Attributes:
        file: path relative to the project's root.
        line: from 1; 0 where the file as a whole is meant.
        cause: what is wrong, as a sentence.
        hint: what to do, such as the nearest valid name; empty where nothing helps.
    """

    file: str
    line: int
    cause: str
    hint: str = ""

    def __str__(self) -> str:
        at = f"{self.file}:{self.line}" if self.line else self.file
        return f"{at}: {self.cause}" + (f" ({self.hint})" if self.hint else "")


class InvalidProjectError(PenstockError):
    """Mistakes in a project's files; `problems` holds all of them, ordered by file and line."""

    exit_code = 5
    reference = "PNS-1002"
    fix = "mend the lines it names"
    command = "penstock check"

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        count = len(self.problems)
        noun = "mistake" if count == 1 else "mistakes"
        super().__init__(
            f"{count} {noun} in the project:\n" + "\n".join(f"  {p}" for p in self.problems),
            next_step="mend them and run `penstock check`",
        )


class RefusedChangeError(PenstockError):
    """Applying the project would change or lose data that is already stored."""

    exit_code = 3
    reference = "PNS-1003"
    fix = "put the files back, or begin a new data directory"
    command = "penstock check"


class EngineError(PenstockError):
    """The engine refused a statement.

    Attributes:
        code: ClickHouse's numeric exception code, 0 where none is known.
    """

    reference = "PNS-2001"
    fix = "mend the statement it names; ClickHouse's own code is in the text"
    command = "penstock check"

    def __init__(self, what: str, *, code: int = 0, where: str = "", next_step: str = "") -> None:
        super().__init__(what, where=where, next_step=next_step)
        self.code = code


class EngineDownError(EngineError):
    """The engine cannot be reached or has just been restarted: the step may be tried again."""

    exit_code = 6
    reference = "PNS-2002"
    fix = "start the platform, or check CLICKHOUSE_URL"
    command = "penstock up"


class DataDirError(PenstockError):
    """The data directory cannot be used: permission, space, or a newer version wrote it."""

    reference = "PNS-3001"
    fix = "give this user the folder and some space, or name another: PENSTOCK_DATA=…"
    command = "penstock doctor"


class DataDirTakenError(DataDirError):
    """Another platform owns the data directory."""

    reference = "PNS-3002"
    fix = "stop the process it names, or use another folder: PENSTOCK_DATA=…"
    command = "penstock status"


class BackupError(DataDirError):
    """A backup cannot be taken, is damaged, is of a newer version, or would lie over data."""

    reference = "PNS-3003"
    fix = "use another backup; nothing was changed"
    command = "penstock restore --help"


class StoreError(PenstockError):
    """The server of the metadata store refuses: permission, space, or a newer schema."""

    reference = "PNS-2004"
    fix = "give the role the right it lacks, or upgrade Penstock to the version of the schema"
    command = "penstock doctor"


class StoreDownError(StoreError):
    """The server of the metadata store cannot be reached: the step may be tried again."""

    exit_code = 6
    reference = "PNS-2005"
    fix = "start the server that DATABASE_URL names"
    command = "penstock doctor"


class PortTakenError(PenstockError):
    """An address that Penstock needs is in use."""

    reference = "PNS-2003"
    fix = "stop what listens there, or set PENSTOCK_PORT and PENSTOCK_ENGINE_PORT"
    command = "penstock doctor"


class LedgerError(PenstockError):
    """The ledger refused a step."""

    reference = "PNS-4001"
    fix = "find the rows that differ"
    command = "penstock reconcile"


class StaleLeaseError(LedgerError):
    """A newer lander holds the stream; this one must stop writing."""

    reference = "PNS-4002"
    fix = "stop this platform; the other one goes on with what it left"
    command = "penstock status"


class StandStillError(LedgerError):
    """Landing is held for a moment by who looks at the data as a whole."""

    reference = "PNS-4007"
    fix = "wait: it goes on by itself, or when the platform is started again"
    command = "penstock status"


class IncarnationError(LedgerError):
    """The source is another one than the ledger knows (recreated topic, emptied spool)."""

    reference = "PNS-4003"
    fix = "bring the former source back, or give the new one another name"
    command = "penstock status"


class SourceDownError(PenstockError):
    """What a source reads from cannot be reached, or has no such topic: it is tried again."""

    exit_code = 6
    reference = "PNS-2006"
    fix = "start the broker that KAFKA_BOOTSTRAP_SERVERS names, or make the topic"
    command = "penstock doctor"


class LandingBlockedError(PenstockError):
    """A batch failed too often; its source waits, nothing is skipped."""

    reference = "PNS-4004"
    fix = "mend what it names; nothing is skipped meanwhile"
    command = "penstock status"


class DeliveryError(PenstockError):
    """Somebody could not be told of an alert's incident; it is tried again for hours."""

    reference = "PNS-4006"
    fix = "see that the channel's server answers, and takes what it is sent"
    command = "penstock alerts ls"


class ExpectationError(PenstockError, AssertionError):
    """A test's rows are not those it expects; the message shows both, cell by cell."""

    exit_code = 4
    reference = "PNS-1004"
    fix = "mend the SQL, or what the test expects"
    command = "penstock test"


class SpoolFullError(PenstockError):
    """The spool has reached its bound; the sender should try again later."""

    reference = "PNS-4005"
    fix = "free some space, or wait until landing has caught up; then send again"
    command = "penstock status"


class BadInputError(PenstockError):
    """A request or a file cannot be taken.

    Attributes:
        status: the HTTP status that says so.
        title: the short name of the kind of mistake.
    """

    reference = "PNS-1005"
    fix = "send what the API describes in /openapi.json"
    command = "penstock status"

    def __init__(self, status: int, title: str, what: str, *, next_step: str = "") -> None:
        super().__init__(what, next_step=next_step)
        self.status = status
        self.title = title
