import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from catalog_records import ANNA, an_access_key, an_account, join, join_in
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from linocut.catalog import Catalog, Tx
from linocut.catalog.engines import connect
from linocut.catalog.schema import METADATA


def test_the_migrations_build_exactly_the_tables_that_the_code_uses(empty_url: str) -> None:
    Catalog.open(empty_url).close()

    engines = connect(empty_url)
    with engines.writer.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        difference = compare_metadata(context, METADATA)
    engines.dispose()

    assert difference == []


def test_a_catalog_that_is_opened_again_has_what_was_put_into_it(url: str) -> None:
    catalog = Catalog.open(url)
    join(catalog, ANNA)
    catalog.close()

    catalog = Catalog.open(url)
    with catalog.read() as tx:
        assert tx.accounts.get(ANNA) == an_account(ANNA)
    catalog.close()


def test_threads_may_open_an_empty_database_at_once(empty_url: str) -> None:
    together = threading.Barrier(6)

    def open_and_read() -> int:
        together.wait(10)
        catalog = Catalog.open(empty_url)
        with catalog.read() as tx:
            accounts = len(tx.accounts.all())
        catalog.close()
        return accounts

    with ThreadPoolExecutor(6) as threads:
        opened = [threads.submit(open_and_read) for _ in range(6)]
        assert [each.result(20) for each in opened] == [0] * 6


def test_another_process_may_open_an_empty_database_at_once(empty_url: str) -> None:
    program = (
        "import sys; from linocut.catalog import Catalog; print('ready', flush=True); sys.stdin.readline();"
        "catalog = Catalog.open(sys.argv[1]); catalog.close(); print('done')"
    )
    command = [sys.executable, "-W", "error", "-c", program, empty_url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        other.stdin.write("\n")
        other.stdin.flush()
        Catalog.open(empty_url).close()

        assert other.communicate(timeout=30)[0] == "done\n"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/name", "postgresql+asyncpg://host/name"])
def test_only_files_of_sqlite_and_postgresql_are_opened(url: str) -> None:
    with pytest.raises(ValueError, match="the catalog is kept in"):
        Catalog.open(url)


def test_a_password_in_the_url_is_not_repeated_in_the_refusal() -> None:
    with pytest.raises(ValueError, match=r"the catalog is kept in") as refusal:
        Catalog.open("mysql://user:hunter2@host/name")

    assert "hunter2" not in str(refusal.value)


def test_a_transaction_that_fails_leaves_nothing(catalog: Catalog) -> None:
    def fail_halfway() -> None:
        with catalog.begin() as tx:
            join_in(tx, ANNA)
            raise LookupError

    with pytest.raises(LookupError):
        fail_halfway()

    with catalog.read() as tx:
        assert tx.accounts.all() == ()


def test_a_reader_sees_one_moment_while_others_write(catalog: Catalog) -> None:
    with catalog.read() as tx:
        before = tx.accounts.all()
        join(catalog, ANNA)
        assert tx.accounts.all() == before

    with catalog.read() as tx:
        assert len(tx.accounts.all()) == 1


def test_a_reader_cannot_write(catalog: Catalog) -> None:
    with pytest.raises(DBAPIError), catalog.read() as tx:
        tx.tokens.expire(an_account(ANNA).created_at + timedelta(days=1))


def test_what_sqlite_has_committed_is_on_the_disk_and_its_references_hold(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'catalog.db'}"
    Catalog.open(url).close()
    engines = connect(url)

    for engine in (engines.writer, engines.reader):
        with engine.connect() as connection:
            pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            assert [connection.execute(text(f"PRAGMA {name}")).scalar() for name in pragmas] == ["wal", 2, 1, 10_000]
    engines.dispose()


def test_a_catalog_of_a_newer_linocut_is_refused(empty_url: str) -> None:
    Catalog.open(empty_url).close()
    engine = connect(empty_url).writer
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'from the future'"))
    engine.dispose()

    with pytest.raises(ValueError, match="newer"):
        Catalog.open(empty_url)


def test_a_question_is_answered_although_the_database_has_closed_the_connection(catalog: Catalog) -> None:
    join(catalog, ANNA)

    def secret_id_is_known(tx: Tx) -> bool:
        return tx.accounts.by_secret_id(an_access_key(ANNA).secret_id) is not None

    assert catalog.ask(secret_id_is_known)
    if catalog._engines.asker.dialect.name == "postgresql":
        with catalog._engines.writer.begin() as connection:
            others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
            connection.execute(text("SELECT pg_terminate_backend(pid) " + others))

    assert catalog.ask(secret_id_is_known)


def test_nothing_is_written_by_a_question(catalog: Catalog) -> None:
    with pytest.raises(DBAPIError, match=r"read.?only"):
        catalog.ask(lambda tx: join_in(tx, ANNA))
