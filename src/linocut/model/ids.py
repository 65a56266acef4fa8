"""Ids as types, so that one kind of id is never taken for another.

An id of the wire is a prefix, a dash and eight characters of ``[0-9a-z]`` (``img-9qabwvbn``), as in the Tencent Cloud API.
A root digest names a tree: 64 hexadecimal characters of BLAKE3.
"""

import re
from typing import Final, NewType, Protocol

ImageId = NewType("ImageId", str)
SnapshotId = NewType("SnapshotId", str)
DiskId = NewType("DiskId", str)
InstanceId = NewType("InstanceId", str)
KeyId = NewType("KeyId", str)
VpcId = NewType("VpcId", str)
SubnetId = NewType("SubnetId", str)
GroupId = NewType("GroupId", str)
"""A security group's id."""
SnapshotGroupId = NewType("SnapshotGroupId", str)
PolicyId = NewType("PolicyId", str)
"""An auto snapshot policy's id."""
Uin = NewType("Uin", str)
"""A root account's number, as decimal digits."""
AppId = NewType("AppId", int)
SecretId = NewType("SecretId", str)
Region = NewType("Region", str)
Zone = NewType("Zone", str)
TaskId = NewType("TaskId", int)
RootDigest = NewType("RootDigest", str)
"""The BLAKE3 digest of a tree's root node, in hexadecimal."""

_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_SUFFIX_CHARACTERS: Final = 8
_SHAPE: Final = re.compile(r"[a-z]+-[0-9a-z]{8}")
_ROOT_SHAPE: Final = re.compile(r"[0-9a-f]{64}")


class Randomness(Protocol):
    """A source of unpredictable choices; `secrets.SystemRandom` is one."""

    def choices(self, population: str, *, k: int) -> list[str]:
        """Return k characters drawn from the population."""
        ...


def new_id(prefix: str, randomness: Randomness) -> str:
    """Return a fresh id with this prefix."""
    return f"{prefix}-{''.join(randomness.choices(_ALPHABET, k=_SUFFIX_CHARACTERS))}"


def is_id(prefix: str, text: str) -> bool:
    """Tell whether the text has the shape of an id with this prefix."""
    return text.startswith(f"{prefix}-") and _SHAPE.fullmatch(text) is not None


def is_root_digest(text: str) -> bool:
    """Tell whether the text has the shape of a root digest."""
    return _ROOT_SHAPE.fullmatch(text) is not None
