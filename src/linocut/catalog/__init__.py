"""The catalog: what the service knows of every account, image, snapshot, disk, instance and key pair, in SQL.

Rows become the records of `linocut.model` and back; nothing of SQL crosses the room's border. `Catalog.begin` gives one write
transaction, `Catalog.read` one snapshot; both give a `Tx`, with one attribute for each noun.
"""

from linocut.catalog.audit import AuditQuery
from linocut.catalog.catalog import Catalog, Tx
from linocut.catalog.disk_query import DiskQuery, ListedDisk
from linocut.catalog.holders import HolderKind, TreeHolder
from linocut.catalog.image_query import ImageQuery, ImageType, VisibleImage
from linocut.catalog.images import ImageChanges
from linocut.catalog.instance_query import InstanceQuery
from linocut.catalog.instances import InstanceChanges
from linocut.catalog.networks import NetworkQuery
from linocut.catalog.page import Page
from linocut.catalog.snapshot_groups import GroupQuery, ListedGroup
from linocut.catalog.snapshot_policies import ListedPolicy, Owed, PolicyChanges, PolicyQuery
from linocut.catalog.snapshot_query import ListedSnapshot, SnapshotQuery
from linocut.catalog.snapshots import SnapshotChanges
from linocut.catalog.tasks import TaskQuery
from linocut.catalog.uploads import Upload

__all__ = [
    "AuditQuery",
    "Catalog",
    "DiskQuery",
    "GroupQuery",
    "HolderKind",
    "ImageChanges",
    "ImageQuery",
    "ImageType",
    "InstanceChanges",
    "InstanceQuery",
    "ListedDisk",
    "ListedGroup",
    "ListedPolicy",
    "ListedSnapshot",
    "NetworkQuery",
    "Owed",
    "Page",
    "PolicyChanges",
    "PolicyQuery",
    "SnapshotChanges",
    "SnapshotQuery",
    "TaskQuery",
    "TreeHolder",
    "Tx",
    "Upload",
    "VisibleImage",
]
