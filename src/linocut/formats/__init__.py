"""What a foreign disk file is, whether it is safe, how it comes here, and how its content goes on.

`fetch` brings a file, `inspect_disk` decides once what it is and proves it safe, `convert_into` writes the disk in it to an NBD
export; `convert_out` writes the disk of an export to a file, and a `Bucket` keeps files. All of them block, may be called from
any thread, and raise FormatError alone for what the file, the server or the limits bring about.
"""

from linocut.formats.buckets import Bucket, BucketFile, is_bucket_base, is_file_key
from linocut.formats.checksums import Checksum, SumsFile, checksum_listed, checksum_told
from linocut.formats.connection import FetchPolicy
from linocut.formats.conversion import convert_into
from linocut.formats.disk import DiskFile, DiskFormat, DiskLimits, RunAs
from linocut.formats.errors import (
    Cancelled,
    ConversionFailed,
    DiskTooLarge,
    FetchFailed,
    FetchRefused,
    FormatError,
    NoSpace,
    PutFailed,
    UnsafeDisk,
    UnsupportedDisk,
)
from linocut.formats.exporting import EXPORT_FORMATS, convert_out
from linocut.formats.fetching import Fetched, fetch
from linocut.formats.inspection import inspect_disk
from linocut.formats.writing import DIRECT_FORMATS, write_disk

__all__ = [
    "DIRECT_FORMATS",
    "EXPORT_FORMATS",
    "Bucket",
    "BucketFile",
    "Cancelled",
    "Checksum",
    "ConversionFailed",
    "DiskFile",
    "DiskFormat",
    "DiskLimits",
    "DiskTooLarge",
    "FetchFailed",
    "FetchPolicy",
    "FetchRefused",
    "Fetched",
    "FormatError",
    "NoSpace",
    "PutFailed",
    "RunAs",
    "SumsFile",
    "UnsafeDisk",
    "UnsupportedDisk",
    "checksum_listed",
    "checksum_told",
    "convert_into",
    "convert_out",
    "fetch",
    "inspect_disk",
    "is_bucket_base",
    "is_file_key",
    "write_disk",
]
