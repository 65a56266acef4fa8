"""Add networks: VPCs, subnets and security groups, and what instances have of them."""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"

_TRAFFIC: Final = "TRAFFIC_POSTPAID_BY_HOUR"


def upgrade() -> None:
    """Make the tables, and widen instances; instances of before have no network and no security group."""
    _vpcs()
    _subnets()
    _security_groups()
    op.create_table(
        "instance_groups",
        sa.Column("instance_id", sa.String(length=64), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["instance_id"], ["instances.instance_id"], name="fk_instance_groups_instance_id"),
        sa.ForeignKeyConstraint(["group_id"], ["security_groups.group_id"], name="fk_instance_groups_group_id"),
        sa.PrimaryKeyConstraint("instance_id", "group_id", name="pk_instance_groups"),
    )
    op.create_index("ix_instance_groups_group_id", "instance_groups", ["group_id"])
    _instances()


def _vpcs() -> None:
    op.create_table(
        "vpcs",
        sa.Column("vpc_id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_folded", sa.Text(), nullable=False),
        sa.Column("cidr", sa.String(length=64), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("multicast", sa.Boolean(), nullable=False),
        sa.Column("route_table_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["accounts.uin"], name="fk_vpcs_owner"),
        sa.PrimaryKeyConstraint("vpc_id", name="pk_vpcs"),
    )
    op.create_index("ix_vpcs_own", "vpcs", ["owner", "region", "created_at", "vpc_id"])
    one = sa.text("is_default")
    op.create_index("uq_vpcs_default", "vpcs", ["owner", "region"], unique=True, sqlite_where=one, postgresql_where=one)


def _subnets() -> None:
    op.create_table(
        "subnets",
        sa.Column("subnet_id", sa.String(length=64), nullable=False),
        sa.Column("vpc_id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_folded", sa.Text(), nullable=False),
        sa.Column("cidr", sa.String(length=64), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("broadcast", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["vpc_id"], ["vpcs.vpc_id"], name="fk_subnets_vpc_id"),
        sa.ForeignKeyConstraint(["owner"], ["accounts.uin"], name="fk_subnets_owner"),
        sa.PrimaryKeyConstraint("subnet_id", name="pk_subnets"),
    )
    op.create_index("ix_subnets_vpc_id", "subnets", ["vpc_id"])
    op.create_index("ix_subnets_own", "subnets", ["owner", "region", "created_at", "subnet_id"])
    one = sa.text("is_default")
    columns = ["owner", "region", "zone"]
    op.create_index("uq_subnets_default", "subnets", columns, unique=True, sqlite_where=one, postgresql_where=one)


def _security_groups() -> None:
    op.create_table(
        "security_groups",
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_folded", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("ingress", sa.JSON(), nullable=False),
        sa.Column("egress", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["accounts.uin"], name="fk_security_groups_owner"),
        sa.PrimaryKeyConstraint("group_id", name="pk_security_groups"),
    )
    op.create_index("ix_security_groups_own", "security_groups", ["owner", "region", "created_at", "group_id"])
    one = sa.text("is_default")
    op.create_index(
        "uq_security_groups_default",
        "security_groups",
        ["owner", "region"],
        unique=True,
        sqlite_where=one,
        postgresql_where=one,
    )


def _instances() -> None:
    added: dict[str, sa.Column[Any]] = {
        "vpc_id": sa.Column("vpc_id", sa.String(length=64), nullable=False, server_default=""),
        "subnet_id": sa.Column("subnet_id", sa.String(length=64), nullable=False, server_default=""),
        "has_public_address": sa.Column("has_public_address", sa.Boolean(), nullable=False, server_default=sa.false()),
        "bandwidth_mbps": sa.Column("bandwidth_mbps", sa.BigInteger(), nullable=False, server_default="0"),
        "internet_charge_type": sa.Column("internet_charge_type", sa.Text(), nullable=False, server_default=_TRAFFIC),
    }
    with op.batch_alter_table("instances") as instances:
        for column in added.values():
            instances.add_column(column)
    with op.batch_alter_table("instances") as instances:
        for name in added:
            instances.alter_column(name, server_default=None)
    op.create_index("ix_instances_subnet_id", "instances", ["subnet_id"])
