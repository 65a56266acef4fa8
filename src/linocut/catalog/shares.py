"""Shares: which accounts an image is shared with."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from linocut.catalog.image_counts import ImageCounts, Standing
from linocut.catalog.rows import insert_or_skip, record_of
from linocut.catalog.schema import IMAGES, SHARES
from linocut.model.ids import ImageId, Uin
from linocut.model.records import Share


class Shares:
    """The shares in one transaction."""

    def __init__(self, connection: Connection, counts: ImageCounts) -> None:
        self._connection = connection
        self._counts = counts

    def add(self, image_id: ImageId, accounts: Iterable[Uin], at: datetime) -> tuple[Uin, ...]:
        """Share the image with the accounts and return those that are new, in their order. Sharing twice is harmless.

        Until the transaction ends nobody else shares or removes the image, so that its shares may be counted afterwards.
        """
        asked = tuple(dict.fromkeys(accounts))
        if not asked:
            return ()
        standing = self._held(image_id)
        rows = [{"image_id": image_id, "account": account, "created_at": at} for account in asked]
        statement = insert_or_skip(self._connection, SHARES, ["image_id", "account"]).values(rows)
        added = set(self._connection.scalars(statement.returning(SHARES.c.account)))
        self._count(standing, before=(), after=added)
        return tuple(account for account in asked if account in added)

    def remove(self, image_id: ImageId, accounts: Iterable[Uin]) -> None:
        """Stop sharing the image with the accounts; one that it is not shared with is no error."""
        standing = self._held(image_id)
        theirs = delete(SHARES).where(SHARES.c.image_id == image_id, SHARES.c.account.in_(tuple(accounts)))
        removed = self._connection.scalars(theirs.returning(SHARES.c.account)).all()
        self._count(standing, before=removed, after=())

    def of(self, image_id: ImageId) -> tuple[Share, ...]:
        """Return the image's shares, oldest first."""
        query = select(SHARES).where(SHARES.c.image_id == image_id).order_by(SHARES.c.created_at, SHARES.c.account)
        return tuple(record_of(Share, row) for row in self._connection.execute(query).mappings())

    def count(self, image_id: ImageId) -> int:
        """Return with how many accounts the image is shared."""
        return self._connection.execute(select(func.count()).where(SHARES.c.image_id == image_id)).scalar_one()

    def is_shared(self, image_id: ImageId, account: Uin) -> bool:
        """Tell whether the image is shared with the account."""
        query = select(SHARES.c.account).where(SHARES.c.image_id == image_id, SHARES.c.account == account)
        return self._connection.execute(query).first() is not None

    def _held(self, image_id: ImageId) -> Standing | None:
        """Return who sees the image beside its shares, and keep that so until the transaction ends; None where it is gone."""
        columns = (IMAGES.c.owner, IMAGES.c.region, IMAGES.c.is_public, IMAGES.c.state)
        row = self._connection.execute(select(*columns).where(IMAGES.c.image_id == image_id).with_for_update()).first()
        return None if row is None else Standing(*row)

    def _count(self, standing: Standing | None, *, before: Iterable[Uin], after: Iterable[Uin]) -> None:
        if standing is not None:
            self._counts.went(standing, before)
            self._counts.came(standing, after)
