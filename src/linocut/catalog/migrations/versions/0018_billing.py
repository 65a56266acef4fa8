"""Keep what existed when, and what it cost: spans, closed hours, charges, balances, payments and prices."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables, and begin a span of everything that there is: what it was before is not known, and not charged."""
    op.add_column("accounts", sa.Column("currency", sa.String(length=32), nullable=False, server_default="CNY"))
    for table in ("images", "snapshots", "instances"):
        op.add_column(table, sa.Column("windows_of", sa.String(length=64), nullable=True))
    _find_windows()
    _make_history()
    _make_charges()
    _make_money()
    _begin_spans()


def _find_windows() -> None:
    """Instances of public images of Windows descend from them; of what is older than that, nothing is known."""
    op.execute(
        "UPDATE instances SET windows_of = image_id WHERE license_type <> 'BYOL' AND EXISTS (SELECT 1 FROM images "
        "WHERE images.image_id = instances.image_id AND images.is_public AND images.platform = 'Windows')"
    )
    op.execute(
        "UPDATE images SET windows_of = (SELECT instances.windows_of FROM instances "
        "WHERE instances.instance_id = images.source_instance) WHERE source_instance IS NOT NULL"
    )


def _make_history() -> None:
    op.create_table(
        "spans",
        sa.Column("span_id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("resource_id", sa.String(length=64), nullable=False),
        sa.Column("use", sa.Text(), nullable=False),
        sa.Column("root", sa.String(length=64), nullable=True),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counts_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["owner"], ["accounts.uin"], name="fk_spans_owner"),
        sa.PrimaryKeyConstraint("span_id", name="pk_spans"),
    )
    op.create_index("ix_spans_resource", "spans", ["resource_id", "ended_at"])
    op.create_index("ix_spans_own", "spans", ["owner", "region", "ended_at"])
    op.create_index("ix_spans_roots", "spans", ["region", "counts_until"])
    op.create_table(
        "meters",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("closed_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.uin"], name="fk_meters_account"),
        sa.PrimaryKeyConstraint("account", "region", name="pk_meters"),
    )


def _make_charges() -> None:
    op.create_table(
        "charges",
        sa.Column("charge_id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("month", sa.String(length=32), nullable=False),
        sa.Column("first_hour", sa.BigInteger(), nullable=False),
        sa.Column("until_hour", sa.BigInteger(), nullable=False),
        sa.Column("item", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.String(length=64), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.Column("free", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.String(length=32), nullable=True),
        sa.Column("currency", sa.String(length=32), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.uin"], name="fk_charges_account"),
        sa.PrimaryKeyConstraint("charge_id", name="pk_charges"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_charges_own", "charges", ["account", "month", "charge_id"])
    op.create_index("ix_charges_latest", "charges", ["account", "region", "until_hour"])
    op.create_index("ix_charges_resource", "charges", ["account", "resource_id"])


def _make_money() -> None:
    op.create_table(
        "balances",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("isolated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("warned_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["accounts.uin"], name="fk_balances_account"),
        sa.PrimaryKeyConstraint("account", name="pk_balances"),
    )
    op.create_table(
        "payments",
        sa.Column("payment_id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=32), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.uin"], name="fk_payments_account"),
        sa.PrimaryKeyConstraint("payment_id", name="pk_payments"),
    )
    op.create_index("ix_payments_account", "payments", ["account"])
    op.create_table(
        "prices",
        sa.Column("price_id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("item", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("regions", sa.JSON(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("price", sa.String(length=32), nullable=False),
        sa.Column("currency", sa.String(length=32), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("price_id", name="pk_prices"),
    )


def _begin_spans() -> None:
    _begin("SELECT owner, region, '' AS zone, snapshot_id AS id, root FROM snapshots WHERE state = 'NORMAL'", _snapshot)
    _begin(
        "SELECT owner, region, zone, disk_id AS id, disk_type, size_gb FROM disks "
        "WHERE state IN ('UNATTACHED', 'ATTACHED', 'DETACHING', 'EXPANDING', 'ROLLBACKING')",
        _disk,
    )
    _begin(
        "SELECT owner, region, zone, instance_id AS id, instance_type, vcpus, state, windows_of, bandwidth_mbps, "
        "internet_charge_type FROM instances WHERE state IN ('RUNNING', 'STOPPED', 'STARTING', 'STOPPING', 'REBOOTING')",
        _instance,
    )


def _begin(query: str, use_of: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
    now = datetime.now(UTC)
    connection = op.get_bind()
    columns = ("owner", "region", "zone", "resource_id", "use", "root")
    spans = sa.table("spans", *map(sa.column, columns), sa.column("began_at", sa.DateTime(timezone=True)))
    at = now.replace(tzinfo=None) if connection.dialect.name == "sqlite" else now
    rows = [
        {
            "owner": row["owner"],
            "region": row["region"],
            "zone": row["zone"],
            "resource_id": row["id"],
            "use": json.dumps(use_of(row)),
            "root": row.get("root"),
            "began_at": at,
        }
        for row in map(dict, connection.execute(sa.text(query)).mappings())
    ]
    if rows:
        connection.execute(sa.insert(spans), rows)


def _snapshot(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind": "snapshot", "root": row["root"], "of_image": None}


def _disk(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind": "disk", "disk_type": row["disk_type"], "size_gb": row["size_gb"]}


def _instance(row: Mapping[str, Any]) -> dict[str, Any]:
    by_hour = row["internet_charge_type"] != "TRAFFIC_POSTPAID_BY_HOUR"
    return {
        "kind": "instance",
        "instance_type": row["instance_type"],
        "vcpus": row["vcpus"],
        "is_running": row["state"] in {"RUNNING", "STOPPING", "REBOOTING"},
        "windows_of": row["windows_of"],
        "bandwidth_mbps": row["bandwidth_mbps"] if by_hour else 0,
    }
