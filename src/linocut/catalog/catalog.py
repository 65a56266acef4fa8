"""The catalog as a whole: opening it, and its transactions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, Self, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from linocut.catalog.accounts import Accounts
from linocut.catalog.audit import Audit
from linocut.catalog.balances import Balances
from linocut.catalog.charges import Charges
from linocut.catalog.copies import Copies
from linocut.catalog.disks import Disks
from linocut.catalog.displays import Displays
from linocut.catalog.engines import Engines, connect
from linocut.catalog.exports import Exports
from linocut.catalog.history import Clock, History
from linocut.catalog.holders import TreeHolders
from linocut.catalog.image_counts import ImageCounts
from linocut.catalog.images import Images
from linocut.catalog.instances import Instances
from linocut.catalog.keys import Keys
from linocut.catalog.migrations import migrate
from linocut.catalog.networks import Networks
from linocut.catalog.prices import Prices
from linocut.catalog.rows import lost_race
from linocut.catalog.security_groups import SecurityGroups
from linocut.catalog.sessions import Sessions
from linocut.catalog.shares import Shares
from linocut.catalog.snapshot_copies import SnapshotCopies
from linocut.catalog.snapshot_groups import SnapshotGroups
from linocut.catalog.snapshot_policies import SnapshotPolicies
from linocut.catalog.snapshot_shares import SnapshotShares
from linocut.catalog.snapshots import Snapshots
from linocut.catalog.tags import Tags
from linocut.catalog.tasks import Tasks
from linocut.catalog.tokens import Tokens
from linocut.catalog.uploads import Uploads

_GIVEN_UP: Final = frozenset({"40001", "40P01"})
"""SQLSTATE of a serialization failure and of a deadlock."""


T = TypeVar("T")


class Tx:
    """One transaction, with one attribute for each noun."""

    def __init__(self, connection: Connection, now: Clock) -> None:
        self.history = History(connection, now)
        self.accounts = Accounts(connection)
        self.sessions = Sessions(connection)
        self.image_counts = ImageCounts(connection)
        self.images = Images(connection, self.image_counts)
        self.snapshots = Snapshots(connection, self.history)
        self.snapshot_copies = SnapshotCopies(connection)
        self.snapshot_policies = SnapshotPolicies(connection)
        self.snapshot_shares = SnapshotShares(connection)
        self.snapshot_groups = SnapshotGroups(connection)
        self.shares = Shares(connection, self.image_counts)
        self.disks = Disks(connection, self.history)
        self.displays = Displays(connection)
        self.instances = Instances(connection, self.disks, self.history)
        self.keys = Keys(connection)
        self.networks = Networks(connection)
        self.security_groups = SecurityGroups(connection)
        self.tags = Tags(connection)
        self.tokens = Tokens(connection)
        self.uploads = Uploads(connection)
        self.audit = Audit(connection)
        self.tasks = Tasks(connection)
        self.exports = Exports(connection)
        self.copies = Copies(connection)
        self.balances = Balances(connection)
        self.charges = Charges(connection, self.balances)
        self.prices = Prices(connection)
        self.tree_holders = TreeHolders(connection)


class Catalog:
    """Everything the service knows, in one database. Its methods may be called from any thread."""

    def __init__(self, engines: Engines, now: Clock) -> None:
        self._engines = engines
        self._now = now

    @classmethod
    def open(cls, url: str, *, now: Clock = lambda: datetime.now(UTC)) -> Self:
        """Open the database of a `sqlite:///file` or `postgresql://…` URL, and bring its tables up to date.

        `now` is the clock by which the history is kept.

        Any number of threads and processes may do so at once. Raises ValueError for any other URL, and for tables that cannot be
        brought up to date.
        """
        engines = connect(url)
        try:
            migrate(engines.writer)
        except BaseException:
            engines.dispose()
            raise
        return cls(engines, now)

    @contextmanager
    def begin(self) -> Iterator[Tx]:
        """Run one write transaction: commits at the end, rolls back on an exception.

        Keep it short, and start no other one inside it: on SQLite there is one at a time. Raises LostRace when the database
        gives it up in favour of another one.
        """
        try:
            with self._engines.writer.begin() as connection:
                tx = Tx(connection, self._now)
                yield tx
                tx.history.settle()
                tx.image_counts.settle()
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) in _GIVEN_UP:
                raise lost_race("two transactions waited for each other") from error
            raise

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """Read one snapshot of the catalog: what others commit meanwhile is not seen. Writing fails."""
        with self._engines.reader.begin() as connection:
            yield Tx(connection, self._now)

    def ask(self, question: Callable[[Tx], T]) -> T:
        """Return the answer to a question that is one prepared statement; a longer one may see several moments. Writing fails."""
        asker = self._engines.asker
        with asker.connect() as connection:
            try:
                return question(Tx(connection, self._now))
            except asker.dialect.loaded_dbapi.Error as error:
                if not asker.dialect.is_disconnect(error, connection.connection.dbapi_connection, None):
                    raise
                connection.invalidate(error)
        asker.dispose(close=False)  # the other idle connections are as old as that one
        with asker.connect() as connection:
            return question(Tx(connection, self._now))

    def close(self) -> None:
        """Close every connection."""
        self._engines.dispose()
