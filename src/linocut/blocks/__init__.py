"""Chunks, trees, region stores, ingest, garbage collection, and the NBD block server. Knows no image, account or catalog."""

from linocut.blocks.client import BlockServer, IngestHandle
from linocut.blocks.copying import Copied
from linocut.blocks.errors import (
    BlockError,
    CopyCancelled,
    FormatUnknown,
    IngestGone,
    ObjectCorrupt,
    ObjectMissing,
    ObjectUnreadable,
    RequestInvalid,
    ServerUnavailable,
    StoreFull,
    StoreUnavailable,
)
from linocut.blocks.ingest import Ingest
from linocut.blocks.inventory import Inventory
from linocut.blocks.ledger import Holding, Ledger, Weight
from linocut.blocks.nodes import CHUNK_BYTES, MAX_DISK_BYTES
from linocut.blocks.store import RegionStore
from linocut.blocks.survey import Usage
from linocut.blocks.sweep import CollectReport
from linocut.blocks.tree import Extent, Tree
from linocut.blocks.verify import Damage, Problem, VerifyReport

__all__ = [
    "CHUNK_BYTES",
    "MAX_DISK_BYTES",
    "BlockError",
    "BlockServer",
    "CollectReport",
    "Copied",
    "CopyCancelled",
    "Damage",
    "Extent",
    "FormatUnknown",
    "Holding",
    "Ingest",
    "IngestGone",
    "IngestHandle",
    "Inventory",
    "Ledger",
    "ObjectCorrupt",
    "ObjectMissing",
    "ObjectUnreadable",
    "Problem",
    "RegionStore",
    "RequestInvalid",
    "ServerUnavailable",
    "StoreFull",
    "StoreUnavailable",
    "Tree",
    "Usage",
    "VerifyReport",
    "Weight",
]
