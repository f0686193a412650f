"""Landing of a log that several landers share: each has the parts that its group gives it.

::

    given parts → lease taken → what others left in them inherited → fetched → landed as any other

Parts change hands at any time. Who is told late finds its lease gone: the ledger opens no batch
for it, and the front takes no late write of it.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from penstock.errors import StaleLeaseError, StandStillError
from penstock.layers.hold import Hold
from penstock.layers.landing import Lander
from penstock.store.shares import Shares

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import TracebackType

    from penstock.sources.replayable import Shared
    from penstock.store.ledger import Intent, Stream

_BREATH = 0.2  # seconds before a lander that was overtaken asks what it has
_log = structlog.get_logger(__name__)


class SharedHold(Hold):
    """The hold on all who land a log, in this process and in others.

    Attributes:
        own: the hold on the lander of this process.
    """

    def __init__(self, shares: Shares, look: Callable[[], Stream]) -> None:
        super().__init__()
        self.own = Hold()
        self._shares, self._look, self._held = shares, look, ExitStack()

    def __enter__(self) -> None:
        super().__enter__()
        with ExitStack() as held:
            held.callback(super().__exit__, None, None, None)
            held.enter_context(self.own)
            held.enter_context(self._shares.still(self._look))
            self._held = held.pop_all()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held.__exit__(kind, error, trace)


@dataclass
class SharedLander(Lander):
    """Lands the parts of a log that it is given; `run` is a thread's whole life.

    Attributes:
        leads: whether it is the platform's own, which holds all others where that is asked for.
    """

    source: Shared
    leads: bool = True
    _shares: Shares = field(init=False)
    _own: set[int] = field(default_factory=set, init=False)  # leases it has had
    _leased: int = field(default=-1, init=False)  # the giving that the lease is of
    _fetched: int = field(default=-1, init=False)  # the giving whose parts are being fetched

    def __post_init__(self) -> None:
        self._shares = Shares(self.ledger)

    def start(self) -> None:
        """Find the stream; the parts come later, from the group."""
        self._stream = self.ledger.stream(self.source.domain, self.source.name, "")
        if self.leads:
            self._stream = replace(self._stream, epoch=self.ledger.lease(self._stream.id))
            self._shares.go_on(self._stream)  # whoever held it may have been killed
        self._hold = self.hold = SharedHold(self._shares, self._held_stream)

    @property
    def turn(self) -> Hold:
        """What is taken for each batch: the hold on this lander alone."""
        return self._hold.own

    def meet(self) -> None:
        """Ask which log it is, and join those who land it; once.

        Raises:
            SourceDownError: it cannot be reached; it is to be tried again.
            IncarnationError: it is not the one the ledger knows.
        """
        if self.source.incarnation:
            return
        identity = self._identified()
        self.source.join(identity)

    def _identified(self) -> str:
        identity = self.source.identify()
        known = self.ledger.stream(self.source.domain, self.source.name, "")
        self._stream = replace(self.ledger.identify(known, identity), epoch=self._stream.epoch)
        return identity

    def recover(self) -> int:
        """Take what is given, and finish what others left open in it.

        Before it has joined the others, the platform's takes what anybody left: it is about to
        change tables, and whoever lands meanwhile is overtaken.
        """
        self._settle_closing()
        self._leased = self._fetched = -1
        with self.turn:
            done = self._take() if self.source.incarnation else self._take_left()
        self.state.name, self.state.reason = "idle", ""
        return done

    def _take_left(self) -> int:
        intents = self.ledger.open_intents(self._stream.id)
        if not self.leads or not intents:
            return 0
        self._identified()
        parts = {span.part for intent in intents for span in intent.spans}
        self._stream = self._shares.take(self._stream, parts)
        self._own.add(self._stream.lease)
        return self._inherit(parts)

    def _held_stream(self) -> Stream:
        """The stream, after what has come to this lander while it stands still was taken."""
        if self.source.incarnation and self._fetched != self.source.given()[0]:
            self._take()
        return self._stream

    def step(self) -> bool:
        """Land the next batch of the parts that are given; True where one was landed."""
        if self._fetched != self.source.given()[0]:
            self._take()
        try:
            return super().step()
        except StandStillError:
            if self.leads:  # a batch of its own is no hold of its own: whoever held it is gone
                self._shares.go_on(self._stream)
            return False

    def _take(self) -> int:
        """Lease what is given; fetch it as soon as nothing in it is open any more."""
        giving, parts = self.source.given()
        if not parts:
            self._leased = self._fetched = giving
            return 0
        if self._leased != giving:
            known = self.ledger.positions(self._stream.id)
            if not parts <= known.keys():
                self._shares.begin(self._stream, self.source.origins(known))
            self._stream = self._shares.take(self._stream, parts)
            self._own.add(self._stream.lease)
            self._leased = giving
        done = self._inherit(parts)
        if not self._shares.left(self._stream, parts):
            self.source.resume(self._shares.positions(self._stream, parts))
            self._fetched = giving
        return done

    def _inherit(self, parts: Collection[int]) -> int:
        """Land what is left open in parts, where nobody else is at it; gives how many batches."""
        left = self._shares.left(self._stream, parts)
        try:
            # All before the first is landed: of one that fails, the others are not somebody else's.
            pairs = [(i, self._shares.inherit(self._stream, i, holds=self.leads)) for i in left]
        except StandStillError:
            return 0
        done = 0
        for intent, inherited in pairs:
            if inherited is not None:
                if self.state.name != "blocked":  # which it stays until the batch is landed
                    self.state.name = "recovering"
                self._doubt(intent)
                self._land_again(inherited)
                done += 1
        return done

    def _doubt(self, left: Intent) -> None:
        """What another was inserting when it went may be half done; the engine may live on."""
        if left.lease in self._own:
            return  # a try of this lander: how that ended is known
        _log.info("batch_inherited", source=self.source.name, batch=left.batch)
        started_since = self.leads and len(self._own) == 1  # the platform brings its engine up
        if not started_since:
            why = f"batch {left.batch} was left by another lander"
            self.doubt = (why, self.hooks.engine_starts())

    def _shown(self, intent: Intent) -> str:
        return ",".join(
            f"{self.source.domain}.{self.source.name}/{span.part}={intent.epoch}"
            for span in intent.spans
        )

    def _goes_on(self, error: StaleLeaseError) -> bool:
        """It does: with what it is given by now."""
        _log.warning("overtaken", source=self.source.name, why=error.what)
        time.sleep(_BREATH)
        return True
