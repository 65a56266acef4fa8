"""Key pairs: SSH keys that instances take at their start. They belong to an account, not to a region."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, rsa

from linocut.catalog import Page, Tx
from linocut.cloud import listing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors, rules
from linocut.model.ids import InstanceId, KeyId, is_id, new_id
from linocut.model.records import KeyPair, Tag

_KEY_BITS: Final = 2048
_LARGEST_KEY_CHARACTERS: Final = 16 * 1024
_IDS: Final = 100
_FILTERS: Final = frozenset({"project-id", "key-name", "tag-key", "tag-value"})


@dataclass(frozen=True, slots=True)
class KeyQuery:
    """Which key pairs to list: ids or filters, and a page."""

    ids: tuple[str, ...] | None
    filters: Mapping[str, tuple[str, ...]]
    offset: int
    limit: int


@dataclass(frozen=True, slots=True)
class KeyPairView:
    """A key pair and the instances that have it."""

    pair: KeyPair
    instance_ids: tuple[InstanceId, ...]


def create_key_pair(cloud: Cloud, caller: Caller, *, name: str, project_id: int, tags: Sequence[Tag]) -> tuple[KeyPair, str]:
    """Make a key pair; return it and its private key in PEM, which is kept nowhere.

    Raises KeyNameEmpty, KeyNameTooLong, KeyNameIllegal, KeyNameTaken, KeyQuotaExceeded, ProjectNotFound.
    Source: CVM CreateKeyPair.
    """
    rules.key_name(name)
    private = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()
    return _add(cloud, caller, name, project_id, public, tags), pem


def import_key_pair(cloud: Cloud, caller: Caller, *, name: str, project_id: int, public_key: str, tags: Sequence[Tag]) -> KeyId:
    """Keep a public key in OpenSSH's form; return its id.

    Raises as create_key_pair, PublicKeyMalformed, PublicKeyTaken. Source: CVM ImportKeyPair.
    """
    return _add(cloud, caller, name, project_id, _public_key(public_key), tags).key_id


def list_key_pairs(cloud: Cloud, caller: Caller, query: KeyQuery) -> Page[KeyPairView]:
    """Return a page of the caller's key pairs.

    Raises KeyIdMalformed, IdsWithFilters, FilterUnknown, TooManyFilterValues, PageOutOfRange. Source: CVM DescribeKeyPairs.
    """
    listing.check_page(query.offset, query.limit)
    filters = listing.check_filters(query.ids, query.filters, _FILTERS)
    with cloud.catalog.read() as tx:
        page = tx.keys.list(
            caller.account.uin,
            ids=_key_ids(query.ids) if query.ids is not None else None,
            names=filters.get("key-name", ()),
            project_ids=tuple(int(text) if text.isdecimal() else -1 for text in filters.get("project-id", ())),
            tag_keys=filters.get("tag-key", ()),
            tag_values=filters.get("tag-value", ()),
            tags=listing.tag_filters(filters),
            offset=query.offset,
            limit=query.limit,
        )
        instances = tx.keys.instances_of(caller.account.uin)
    return Page(tuple(KeyPairView(pair, instances.get(pair.key_id, ())) for pair in page.items), page.total)


def modify_key_pair(cloud: Cloud, caller: Caller, key_id: str, *, name: str | None, description: str | None) -> None:
    """Rename or describe a key pair; None leaves a field as it is.

    Raises KeyIdMalformed, KeyNotFound, KeyNameEmpty, KeyNameTooLong, KeyNameIllegal, KeyNameTaken, ValueTooLong, InvalidValue,
    ParameterMissing. Source: CVM ModifyKeyPairAttribute.
    """
    if name is None and description is None:
        raise errors.ParameterMissing("KeyName or Description is needed.")
    (wanted,) = _key_ids([key_id])
    with cloud.catalog.begin() as tx:
        pair = tx.keys.get(caller.account.uin, wanted)
        if pair is None:
            raise errors.KeyNotFound(f"There is no key pair {key_id}.")
        tx.keys.update(
            pair,
            name=pair.name if name is None else rules.key_name(name),
            description=pair.description if description is None else rules.key_description(description),
        )


def delete_key_pairs(cloud: Cloud, caller: Caller, ids: Sequence[str]) -> None:
    """Delete key pairs, all or none of them.

    Raises KeyIdMalformed, KeyNotFound, KeyInUse, TooManyValues, ParameterMissing. Source: CVM DeleteKeyPairs.
    """
    if not ids:
        raise errors.ParameterMissing("KeyIds is empty.")
    listing.check_count("KeyIds", ids, _IDS)
    wanted = _key_ids(list(dict.fromkeys(ids)))
    with cloud.catalog.begin() as tx:
        tx.keys.lock_quota(caller.account.uin)  # a launch that names one of them waits, and then misses it
        _require_all(tx, caller, wanted)
        for key_id in wanted:
            if tx.instances.using_key(key_id):
                raise errors.KeyInUse(f"Key pair {key_id} is used by an instance.")
        tx.keys.remove(wanted)


def _require_all(tx: Tx, caller: Caller, wanted: tuple[KeyId, ...]) -> None:
    missing = set(wanted) - {pair.key_id for pair in tx.keys.owned(caller.account.uin, wanted)}
    if missing:
        raise errors.KeyNotFound(f"There is no key pair {min(missing)}.")


def _add(cloud: Cloud, caller: Caller, name: str, project_id: int, public_key: str, tags: Sequence[Tag]) -> KeyPair:
    if project_id != 0:
        raise errors.ProjectNotFound(f"There is no project {project_id}.")
    pair = KeyPair(
        key_id=KeyId(new_id("skey", cloud.randomness)),
        owner=caller.account.uin,
        name=rules.key_name(name),
        project_id=project_id,
        description="",
        public_key=public_key,
        created_at=cloud.now(),
        tags=rules.tags(tags),
    )
    with cloud.catalog.begin() as tx:
        tx.keys.lock_quota(caller.account.uin)
        if tx.keys.count(caller.account.uin) >= cloud.settings.key_quota:
            raise errors.KeyQuotaExceeded(f"You have {cloud.settings.key_quota} key pairs already.")
        tx.keys.add(pair)
    return pair


def _public_key(text: str) -> str:
    """Return a public key without its comment. Raises PublicKeyMalformed."""
    parts = text.split()
    refusal = errors.PublicKeyMalformed("PublicKey is no OpenSSH public key of a kind that guests take.")
    if len(text) > _LARGEST_KEY_CHARACTERS or len(parts) < 2:  # noqa: PLR2004  type and key
        raise refusal
    try:
        base64.b64decode(parts[1], validate=True)
        key = serialization.load_ssh_public_key(f"{parts[0]} {parts[1]}".encode())
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as error:
        raise refusal from error
    if isinstance(key, dsa.DSAPublicKey):
        raise refusal
    return f"{parts[0]} {parts[1]}"


def _key_ids(texts: Sequence[str]) -> tuple[KeyId, ...]:
    for text in texts:
        if not is_id("skey", text):
            raise errors.KeyIdMalformed(f"{text!r} is no key pair id.")
    return tuple(KeyId(text) for text in texts)
