"""Logins: what a new instance or a new system disk is ordered with, and changing them later.

Root has a password, key pairs, or both; or the image's own login stays. Binding key pairs puts a password to sleep, which wakes
up when none is bound any more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from linocut.catalog import InstanceChanges, Tx
from linocut.cloud import listing, passwords
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.cloud.instance_changes import change_instances
from linocut.model import errors, rules
from linocut.model.ids import KeyId, is_id
from linocut.model.records import Image, Instance
from linocut.model.states import InstanceState

_KEYS: Final = 100
_WINDOWS: Final = "Windows"
_ROOT: Final = "root"
_ADMINISTRATOR: Final = "administrator"
_STOPPED: Final = frozenset({InstanceState.STOPPED})
_RUNNING_OR_STOPPED: Final = frozenset({InstanceState.RUNNING, InstanceState.STOPPED})


@dataclass(frozen=True, slots=True)
class LoginOrder:
    """How to log in: one of the three, or none of them."""

    password: str = ""
    key_ids: tuple[str, ...] = ()
    keep_image_login: bool = False

    @property
    def asks_nothing(self) -> bool:
        """Tell whether it leaves the login open."""
        return not (self.password or self.key_ids or self.keep_image_login)


@dataclass(frozen=True, slots=True)
class Login:
    """A checked order: a hash or an empty text, key pairs that exist, and whether the image's own login stays."""

    password_hash: str
    key_ids: tuple[KeyId, ...]
    keep_image_login: bool


def check_login(tx: Tx, caller: Caller, order: LoginOrder, image: Image) -> Login:
    """Return the login of an instance of this image; its key pairs stay until the transaction ends.

    Raises ParameterConflict, KeyPairOnWindows, KeyIdMalformed, KeyNotFound, PasswordInvalid.
    """
    if sum((bool(order.password), bool(order.key_ids), order.keep_image_login)) > 1:
        raise errors.ParameterConflict("LoginSettings takes one of Password, KeyIds and KeepImageLogin.")
    if order.keep_image_login and image.is_public:
        raise errors.ParameterConflict("KeepImageLogin is for custom and shared images.")
    is_windows = image.platform == _WINDOWS
    if order.key_ids and is_windows:
        raise errors.KeyPairOnWindows("Windows instances take no key pair.")
    key_ids = _held_keys(tx, caller, order.key_ids) if order.key_ids else ()
    password = rules.password(order.password, is_windows=is_windows) if order.password else ""
    return Login(passwords.crypt(password) if password else "", key_ids, order.keep_image_login)


def reset_passwords(
    cloud: Cloud, caller: Caller, ids: Sequence[str], password: str, *, user_name: str = "", force_stop: bool = False
) -> None:
    """Give instances a new password, all or none; those that run are restarted if `force_stop`, and refused otherwise.

    Raises InstanceIdMalformed, InstanceNotFound, InstanceStateForbids, TaskRunning, TooManyValues, ParameterMissing,
    PasswordInvalid, InvalidValue, ReinstallFailed. Source: CVM ResetInstancesPassword.
    """
    password_hash = passwords.crypt(rules.password(password))

    def decide(_tx: Tx, instance: Instance) -> InstanceChanges:
        rules.password(password, is_windows=instance.is_windows)
        administrator = _ADMINISTRATOR if instance.is_windows else _ROOT
        if user_name and user_name.lower() != administrator:
            raise errors.InvalidValue(f"UserName takes the administrator of the instance, which is {administrator}.")
        return InstanceChanges(password_hash=password_hash)

    _change(cloud, caller, ids, "ResetInstancesPassword", decide, force_stop=force_stop)


def bind_keys(cloud: Cloud, caller: Caller, ids: Sequence[str], key_ids: Sequence[str], *, force_stop: bool) -> None:
    """Bind key pairs to instances in place of those that were bound, all or none.

    The password is of no use until they are unbound. Raises as reset_passwords does, and KeyPairOnWindows, KeyIdMalformed,
    KeyNotFound. Source: CVM AssociateInstancesKeyPairs.
    """

    def decide(tx: Tx, instance: Instance) -> InstanceChanges:
        held = _keys_for(tx, caller, instance, key_ids)
        return InstanceChanges(key_ids=held, password_hash=passwords.waiting(instance.password_hash))

    _change(cloud, caller, ids, "AssociateInstancesKeyPairs", decide, force_stop=force_stop)


def unbind_keys(cloud: Cloud, caller: Caller, ids: Sequence[str], key_ids: Sequence[str], *, force_stop: bool) -> None:
    """Unbind key pairs from instances, all or none; without any, the password is of use again. One that is not bound is no error.

    Raises as bind_keys does. Source: CVM DisassociateInstancesKeyPairs.
    """

    def decide(tx: Tx, instance: Instance) -> InstanceChanges:
        dropped = _keys_for(tx, caller, instance, key_ids)
        left = tuple(key_id for key_id in instance.key_ids if key_id not in dropped)
        kept = instance.password_hash if left else passwords.awake(instance.password_hash)
        return InstanceChanges(key_ids=left, password_hash=kept)

    _change(cloud, caller, ids, "DisassociateInstancesKeyPairs", decide, force_stop=force_stop)


def _change(
    cloud: Cloud,
    caller: Caller,
    ids: Sequence[str],
    operation: str,
    decide: Callable[[Tx, Instance], InstanceChanges],
    *,
    force_stop: bool,
) -> None:
    def decide_login(tx: Tx, instance: Instance) -> InstanceChanges:
        changed = InstanceChanges(login_generation=instance.login_generation + 1, keep_image_login=False)
        return changed | decide(tx, instance)

    allowed = _RUNNING_OR_STOPPED if force_stop else _STOPPED
    change_instances(cloud, caller, ids, operation, decide_login, restarts=force_stop, allowed=allowed.__contains__)


def _keys_for(tx: Tx, caller: Caller, instance: Instance, key_ids: Sequence[str]) -> tuple[KeyId, ...]:
    if instance.is_windows:
        raise errors.KeyPairOnWindows("Windows instances take no key pair.")
    return _held_keys(tx, caller, key_ids)


def _held_keys(tx: Tx, caller: Caller, key_ids: Sequence[str]) -> tuple[KeyId, ...]:
    """Return key pairs of the caller's, which nobody removes until the transaction ends."""
    if not key_ids:
        raise errors.ParameterMissing("KeyIds is empty.")
    listing.check_count("KeyIds", key_ids, _KEYS)
    for key_id in key_ids:
        if not is_id("skey", key_id):
            raise errors.KeyIdMalformed(f"{key_id!r} is no key pair id.")
    wanted = tuple(KeyId(key_id) for key_id in dict.fromkeys(key_ids))
    tx.keys.lock_quota(caller.account.uin)
    found = {pair.key_id for pair in tx.keys.owned(caller.account.uin, wanted)}
    for key_id in wanted:
        if key_id not in found:
            raise errors.KeyNotFound(f"There is no key pair {key_id}.")
    return wanted
