"""Key pairs.

Source: CVM CreateKeyPair, ImportKeyPair, DescribeKeyPairs, ModifyKeyPairAttribute, DeleteKeyPairs, AssociateInstancesKeyPairs,
DisassociateInstancesKeyPairs.
"""

from typing import Any, Final

from linocut.api.codes import codes
from linocut.api.cvm.batches import BATCH, BUSY, IN_TRANSIT
from linocut.api.cvm.shapes import (
    Filter,
    Ids,
    PageRequest,
    Tag,
    TagSpecification,
    filters_by_name,
    ids_asked,
    tag_list,
    tags_for,
    wire_time,
)
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import Int
from linocut.api.table import Action
from linocut.cloud import keys, logins
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.keys import KeyQuery
from linocut.model import errors, records
from linocut.model.ids import InstanceId
from linocut.model.states import InstanceState

_RESOURCE: Final = "keypair"


class CreateKeyPair(Shape):
    """How to name the key pair."""

    key_name: str
    project_id: Int
    tag_specification: tuple[TagSpecification, ...] = ()


class ImportKeyPair(Shape):
    """A public key, and how to name it."""

    key_name: str
    project_id: Int
    public_key: str
    tag_specification: tuple[TagSpecification, ...] = ()


class DescribeKeyPairs(PageRequest):
    """Which key pairs: ids or filters, and a page."""

    key_ids: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()


class DeleteKeyPairs(Shape):
    """Which key pairs to delete."""

    key_ids: Ids


class ModifyKeyPairAttribute(Shape):
    """What to change of a key pair."""

    key_id: str
    key_name: str | None = None
    description: str | None = None


class BindKeyPairs(Shape):
    """Which key pairs and instances, and whether those that run are restarted."""

    instance_ids: Ids
    key_ids: Ids
    force_stop: bool = False


class KeyPair(Shape):
    """A key pair; its private key appears once, in the answer that creates it."""

    key_id: str
    key_name: str
    project_id: int
    description: str
    public_key: str
    private_key: str
    associated_instance_ids: list[str]
    created_time: str
    tags: list[Tag]


class KeyPairCreated(Answer):
    """The answer of CreateKeyPair."""

    key_pair: KeyPair


class KeyPairImported(Answer):
    """The answer of ImportKeyPair."""

    key_id: str


class KeyPairs(Answer):
    """The answer of DescribeKeyPairs."""

    total_count: int
    key_pair_set: list[KeyPair]


def create_key_pair(cloud: Cloud, caller: Caller, request: CreateKeyPair) -> KeyPairCreated:
    """Make a key pair and hand out its private key."""
    pair, private_key = keys.create_key_pair(
        cloud,
        caller,
        name=request.key_name,
        project_id=request.project_id,
        tags=tags_for(_RESOURCE, request.tag_specification),
    )
    return KeyPairCreated(key_pair=_key_pair(pair, private_key=private_key))


def import_key_pair(cloud: Cloud, caller: Caller, request: ImportKeyPair) -> KeyPairImported:
    """Keep a public key."""
    key_id = keys.import_key_pair(
        cloud,
        caller,
        name=request.key_name,
        project_id=request.project_id,
        public_key=request.public_key,
        tags=tags_for(_RESOURCE, request.tag_specification),
    )
    return KeyPairImported(key_id=key_id)


def describe_key_pairs(cloud: Cloud, caller: Caller, request: DescribeKeyPairs) -> KeyPairs:
    """List key pairs."""
    query = KeyQuery(
        ids=ids_asked(request.key_ids),
        filters=filters_by_name(request.filters),
        offset=request.offset,
        limit=request.limit,
    )
    page = keys.list_key_pairs(cloud, caller, query)
    return KeyPairs(
        total_count=page.total, key_pair_set=[_key_pair(view.pair, instance_ids=view.instance_ids) for view in page.items]
    )


def modify_key_pair_attribute(cloud: Cloud, caller: Caller, request: ModifyKeyPairAttribute) -> Answer:
    """Rename or describe a key pair."""
    keys.modify_key_pair(cloud, caller, request.key_id, name=request.key_name, description=request.description)
    return Answer()


def associate_instances_key_pairs(cloud: Cloud, caller: Caller, request: BindKeyPairs) -> Answer:
    """Bind key pairs to instances, in place of earlier ones."""
    logins.bind_keys(cloud, caller, request.instance_ids, request.key_ids, force_stop=request.force_stop)
    return Answer()


def disassociate_instances_key_pairs(cloud: Cloud, caller: Caller, request: BindKeyPairs) -> Answer:
    """Unbind key pairs from instances."""
    logins.unbind_keys(cloud, caller, request.instance_ids, request.key_ids, force_stop=request.force_stop)
    return Answer()


def delete_key_pairs(cloud: Cloud, caller: Caller, request: DeleteKeyPairs) -> Answer:
    """Delete key pairs, all or none."""
    keys.delete_key_pairs(cloud, caller, request.key_ids)
    return Answer()


def _key_pair(pair: records.KeyPair, *, private_key: str = "", instance_ids: tuple[InstanceId, ...] = ()) -> KeyPair:
    return KeyPair(
        key_id=pair.key_id,
        key_name=pair.name,
        project_id=pair.project_id,
        description=pair.description,
        public_key=pair.public_key,
        private_key=private_key,
        associated_instance_ids=list(instance_ids),
        created_time=wire_time(pair.created_at),
        tags=tag_list(pair.tags),
    )


_NEW_KEY: Final = (
    errors.KeyNameEmpty,
    errors.KeyNameTooLong,
    errors.KeyNameIllegal,
    errors.KeyNameTaken,
    errors.KeyQuotaExceeded,
    errors.ProjectNotFound,
    errors.TagsDuplicate,
    errors.TagInvalid,
    errors.LostRace,
)

_BIND: Final = codes(
    *BATCH,
    errors.KeyIdMalformed,
    errors.KeyNotFound,
    special={
        errors.KeyPairOnWindows: "UnsupportedOperation.InstanceOsWindows",
        errors.ReinstallFailed: "InvalidInstance.NotSupported",
        **BUSY,
    },
    states=(InstanceState.RUNNING, *IN_TRANSIT),
)

ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="CreateKeyPair",
        request=CreateKeyPair,
        handle=create_key_pair,
        is_mutating=True,
        needs_region=False,
        codes=codes(*_NEW_KEY, special={errors.PublicKeyTaken: "InvalidParameterValue"}),
    ),
    Action(
        name="ImportKeyPair",
        request=ImportKeyPair,
        handle=import_key_pair,
        is_mutating=True,
        needs_region=False,
        codes=codes(*_NEW_KEY, errors.PublicKeyMalformed, errors.PublicKeyTaken),
    ),
    Action(
        name="DescribeKeyPairs",
        request=DescribeKeyPairs,
        handle=describe_key_pairs,
        needs_region=False,
        codes=codes(
            errors.KeyIdMalformed,
            errors.IdsWithFilters,
            errors.FilterUnknown,
            errors.TooManyFilterValues,
            errors.TooManyValues,
            errors.InvalidValue,
            errors.PageOutOfRange,
        ),
    ),
    Action(
        name="ModifyKeyPairAttribute",
        request=ModifyKeyPairAttribute,
        handle=modify_key_pair_attribute,
        is_mutating=True,
        needs_region=False,
        codes=codes(
            errors.KeyIdMalformed,
            errors.KeyNotFound,
            errors.KeyNameTaken,
            errors.InvalidValue,
            errors.ParameterMissing,
            errors.LostRace,
            special={
                errors.KeyNameEmpty: "InvalidParameterValue",
                errors.KeyNameTooLong: "InvalidParameterValue",
                errors.KeyNameIllegal: "InvalidParameterValue",
                errors.ValueTooLong: "InvalidParameterValue",
                errors.LostRace: "InvalidParameter",
            },
        ),
    ),
    Action(
        name="AssociateInstancesKeyPairs",
        request=BindKeyPairs,
        handle=associate_instances_key_pairs,
        is_mutating=True,
        codes=_BIND,
    ),
    Action(
        name="DisassociateInstancesKeyPairs",
        request=BindKeyPairs,
        handle=disassociate_instances_key_pairs,
        is_mutating=True,
        codes=_BIND,
    ),
    Action(
        name="DeleteKeyPairs",
        request=DeleteKeyPairs,
        handle=delete_key_pairs,
        is_mutating=True,
        needs_region=False,
        codes=codes(
            errors.KeyIdMalformed,
            errors.KeyNotFound,
            errors.KeyInUse,
            errors.TooManyValues,
            errors.ParameterMissing,
            errors.LostRace,
        ),
    ),
)
