"""Alembic's way in: runs migrations on the connection, and in the transaction, that `migrate` hands over."""

from alembic import context

from linocut.catalog.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
