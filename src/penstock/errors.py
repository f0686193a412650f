"""Every error of Penstock, in one tree; each says what happened, where, and what to do next.

::

    PenstockError                 base: catch this to catch all
    ├── UsageError                the words of a command are off                     exit 2
    ├── InvalidProjectError       mistakes in a project's files, all of them at once exit 5
    ├── RefusedChangeError        apply would change or lose data                    exit 3
    ├── EngineError               the engine refused a statement (code and name)     exit 1
    │   └── EngineDownError       the engine cannot be reached: worth a retry        exit 6
    ├── DataDirError              the data directory cannot be used                  exit 1
    │   └── DataDirTakenError     another platform owns it (names its process)
    ├── StoreError                the metadata store's server refuses                exit 1
    │   └── StoreDownError        it cannot be reached: worth a retry                exit 6
    ├── PortTakenError            an address is in use                               exit 1
    ├── LedgerError               the ledger refused a step                          exit 1
    │   ├── StaleLeaseError       a newer lander holds the stream: stop writing
    │   └── IncarnationError      the source is another one than the ledger knows
    ├── LandingBlockedError       a batch failed too often; nothing is skipped       exit 1
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
    """

    exit_code = 1

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


class UsageError(PenstockError):
    """The words of a command are off."""

    exit_code = 2


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


class EngineError(PenstockError):
    """The engine refused a statement.

    Attributes:
        code: ClickHouse's numeric exception code, 0 where none is known.
    """

    def __init__(self, what: str, *, code: int = 0, where: str = "", next_step: str = "") -> None:
        super().__init__(what, where=where, next_step=next_step)
        self.code = code


class EngineDownError(EngineError):
    """The engine cannot be reached or has just been restarted: the step may be tried again."""

    exit_code = 6


class DataDirError(PenstockError):
    """The data directory cannot be used: permission, space, or a newer version wrote it."""


class DataDirTakenError(DataDirError):
    """Another platform owns the data directory."""


class StoreError(PenstockError):
    """The server of the metadata store refuses: permission, space, or a newer schema."""


class StoreDownError(StoreError):
    """The server of the metadata store cannot be reached: the step may be tried again."""

    exit_code = 6


class PortTakenError(PenstockError):
    """An address that Penstock needs is in use."""


class LedgerError(PenstockError):
    """The ledger refused a step."""


class StaleLeaseError(LedgerError):
    """A newer lander holds the stream; this one must stop writing."""


class IncarnationError(LedgerError):
    """The source is another one than the ledger knows (recreated topic, emptied spool)."""


class LandingBlockedError(PenstockError):
    """A batch failed too often; its source waits, nothing is skipped."""


class ExpectationError(PenstockError, AssertionError):
    """A test's rows are not those it expects; the message shows both, cell by cell."""

    exit_code = 4


class SpoolFullError(PenstockError):
    """The spool has reached its bound; the sender should try again later."""


class BadInputError(PenstockError):
    """A request or a file cannot be taken.

    Attributes:
        status: the HTTP status that says so.
        title: the short name of the kind of mistake.
    """

    def __init__(self, status: int, title: str, what: str, *, next_step: str = "") -> None:
        super().__init__(what, next_step=next_step)
        self.status = status
        self.title = title
