"""What a value must look like: names, host names, passwords, user data, tags.

Each function returns the value in its kept form, or raises the error that names what is wrong.
Source: the parameter rules of CVM CreateImage, ImportImage, RunInstances and CreateKeyPair.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from linocut.model import errors
from linocut.model.records import Tag

IMAGE_NAME_CHARACTERS: Final = 60
DESCRIPTION_CHARACTERS: Final = 256
INSTANCE_NAME_CHARACTERS: Final = 128
KEY_NAME_CHARACTERS: Final = 25
USER_DATA_BYTES: Final = 16 * 1024
CLIENT_TOKEN_CHARACTERS: Final = 64
TAGS_PER_RESOURCE: Final = 50
TAG_CHARACTERS: Final = 127
FAMILY_CHARACTERS: Final = 64
DISK_NAME_CHARACTERS: Final = 128
SNAPSHOT_NAME_CHARACTERS: Final = 60
KEY_DESCRIPTION_CHARACTERS: Final = 60
POLICY_NAME_BYTES: Final = 60
METADATA_BYTES: Final = 256 * 1024

_HOST_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
_HOST_NAME_CHARACTERS: Final = (2, 60)
_WINDOWS_HOST_NAME: Final = re.compile(r"(?![0-9]+$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
_WINDOWS_HOST_NAME_CHARACTERS: Final = (2, 15)
_ADJACENT: Final = re.compile(r"[.-]{2}")
_METADATA_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_KEY_NAME: Final = re.compile(r"[A-Za-z0-9_]+")
_FAMILY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NUMBERED: Final = re.compile(r"\{R:(\d{1,9})(?:,F:([0-8]))?\}", re.ASCII)
_PASSWORD_CHARACTERS: Final = (8, 30)
_WINDOWS_PASSWORD_CHARACTERS: Final = (12, 30)
_WINDOWS_ADMINISTRATOR: Final = "administrator"
_PASSWORD_CLASSES: Final = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"), re.compile("[^A-Za-z0-9]"))
_PASSWORD_SPECIALS: Final = re.compile(r"[A-Za-z0-9()`~!@#$%^&*\-+=_|{}\[\]:;',.?/]*")
_PASSWORD_NEEDED_CLASSES: Final = 2
_WINDOWS_PASSWORD_NEEDED_CLASSES: Final = 3
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)", re.ASCII)
_TRUTHS: Final = {"true": True, "false": False}


def image_name(text: str) -> str:
    """Return an image's name. Raises InvalidValue, ValueTooLong."""
    return _named("ImageName", text, IMAGE_NAME_CHARACTERS)


def description(text: str) -> str:
    """Return an image's description. Raises ValueTooLong, InvalidValue."""
    if len(text) > DESCRIPTION_CHARACTERS:
        raise errors.ValueTooLong(f"ImageDescription has more than {DESCRIPTION_CHARACTERS} characters.")
    return _without_nul("ImageDescription", text)


def image_family(text: str) -> str:
    """Return an image family, empty for none. Raises ImageFamilyInvalid."""
    if text and (len(text) > FAMILY_CHARACTERS or not _FAMILY.fullmatch(text)):
        raise errors.ImageFamilyInvalid(
            f"ImageFamily takes up to {FAMILY_CHARACTERS} letters, digits, dots, dashes and underscores."
        )
    return text


def instance_name(text: str) -> str:
    """Return an instance's name, or the pattern of several. Raises InstanceNameTooLong, InvalidValue."""
    if len(text) > INSTANCE_NAME_CHARACTERS:
        raise errors.InstanceNameTooLong(f"InstanceName has more than {INSTANCE_NAME_CHARACTERS} characters.")
    return _without_nul("InstanceName", text)


def host_name(text: str, *, is_windows: bool = False) -> str:
    """Return a host name, empty for none. Raises HostNameInvalid."""
    shortest, longest = _WINDOWS_HOST_NAME_CHARACTERS if is_windows else _HOST_NAME_CHARACTERS
    shape = _WINDOWS_HOST_NAME if is_windows else _HOST_NAME
    if text and (not shortest <= len(text) <= longest or not shape.fullmatch(text) or _ADJACENT.search(text)):
        takes = "letters, digits and dashes, not digits alone" if is_windows else "letters, digits, dashes and dots"
        raise errors.HostNameInvalid(
            f"HostName takes {shortest} to {longest} {takes}; no dash or dot at either end or next to another."
        )
    return text


def disk_name(parameter: str, text: str) -> str:
    """Return a disk's name, empty for none. Raises ValueTooLong, InvalidValue."""
    if len(text) > DISK_NAME_CHARACTERS:
        raise errors.ValueTooLong(f"{parameter} has more than {DISK_NAME_CHARACTERS} characters.")
    return _without_nul(parameter, text)


def policy_name(text: str) -> str:
    """Return an auto snapshot policy's name. Raises ValueTooLong, InvalidValue."""
    if len(_without_nul("AutoSnapshotPolicyName", text).encode()) > POLICY_NAME_BYTES:
        raise errors.ValueTooLong(f"AutoSnapshotPolicyName has more than {POLICY_NAME_BYTES} bytes.")
    return text


def snapshot_name(parameter: str, text: str) -> str:
    """Return the name of a snapshot or of a group of them, empty for none. Raises ValueTooLong, InvalidValue."""
    if len(text) > SNAPSHOT_NAME_CHARACTERS:
        raise errors.ValueTooLong(f"{parameter} has more than {SNAPSHOT_NAME_CHARACTERS} characters.")
    return _without_nul(parameter, text)


def moment(parameter: str, text: str) -> datetime:
    """Return a time that is written as ISO 8601 with its offset from UTC: ``2022-01-08T09:47:55+00:00``. Raises InvalidValue."""
    try:
        if _MOMENT.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):  # of no calendar
        pass
    raise errors.InvalidValue(f"{parameter} takes a time such as 2022-01-08T09:47:55+00:00.")


def key_description(text: str) -> str:
    """Return a key pair's description. Raises ValueTooLong, InvalidValue."""
    if len(text) > KEY_DESCRIPTION_CHARACTERS:
        raise errors.ValueTooLong(f"Description has more than {KEY_DESCRIPTION_CHARACTERS} characters.")
    return _without_nul("Description", text)


def metadata(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return what a user tells an instance: keys and values. Raises InvalidValue, ValueTooLong."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise errors.InvalidValue("Metadata.Items has a key twice.")
    for key in found:
        if not _METADATA_KEY.fullmatch(key):
            raise errors.InvalidValue("Metadata.Items.Key takes up to 128 letters, digits, dashes and underscores.")
    if sum(len(key) + len(_without_nul("Metadata.Items.Value", value).encode()) for key, value in pairs) > METADATA_BYTES:
        raise errors.ValueTooLong(f"Metadata.Items has more than {METADATA_BYTES} bytes.")
    return found


def key_name(text: str) -> str:
    """Return a key pair's name. Raises KeyNameEmpty, KeyNameTooLong, KeyNameIllegal."""
    if not text:
        raise errors.KeyNameEmpty("KeyName is empty.")
    if len(text) > KEY_NAME_CHARACTERS:
        raise errors.KeyNameTooLong(f"KeyName has more than {KEY_NAME_CHARACTERS} characters.")
    if not _KEY_NAME.fullmatch(text):
        raise errors.KeyNameIllegal("KeyName takes letters, digits and underscores.")
    return text


def password(text: str, *, is_windows: bool = False) -> str:
    """Return a password of root, or of Windows' Administrator. Raises PasswordInvalid."""
    shortest, longest = _WINDOWS_PASSWORD_CHARACTERS if is_windows else _PASSWORD_CHARACTERS
    needed = _WINDOWS_PASSWORD_NEEDED_CLASSES if is_windows else _PASSWORD_NEEDED_CLASSES
    classes = sum(1 for shape in _PASSWORD_CLASSES if shape.search(text))
    if (
        not shortest <= len(text) <= longest
        or classes < needed
        or text.startswith("/")
        or not _PASSWORD_SPECIALS.fullmatch(text)
        or (is_windows and _WINDOWS_ADMINISTRATOR in text.lower())
    ):
        raise errors.PasswordInvalid(
            f"Password takes {shortest} to {longest} characters of at least {needed} kinds (lower case, upper case, digits, "
            "special characters) and does not begin with a slash."
        )
    return text


def user_data(text: str) -> bytes:
    """Return user data decoded from base64. Raises UserDataInvalid."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise errors.UserDataInvalid("UserData is not base64.") from error
    if len(data) > USER_DATA_BYTES:
        raise errors.UserDataInvalid(f"UserData has more than {USER_DATA_BYTES} bytes.")
    return data


def client_token(text: str) -> str:
    """Return a client token, empty for none. Raises ClientTokenTooLong."""
    if len(text) > CLIENT_TOKEN_CHARACTERS or not text.isascii():
        raise errors.ClientTokenTooLong(f"ClientToken takes up to {CLIENT_TOKEN_CHARACTERS} ASCII characters.")
    return text


def truth(parameter: str, text: str) -> bool:
    """Return what a string says that means true or false, in any case. Raises InvalidValue."""
    known = _TRUTHS.get(text.lower())
    if known is None:
        raise errors.InvalidValue(f"{parameter} takes TRUE or FALSE.")
    return known


def tags(given: Sequence[Tag]) -> tuple[Tag, ...]:
    """Return tags, each key once. Raises TagsDuplicate, TagInvalid."""
    if len({tag.key for tag in given}) != len(given):
        raise errors.TagsDuplicate("A tag key is given twice.")
    if len(given) > TAGS_PER_RESOURCE:
        raise errors.TagInvalid(f"A resource takes up to {TAGS_PER_RESOURCE} tags.")
    for tag in given:
        if not 1 <= len(tag.key) <= TAG_CHARACTERS or len(tag.value) > TAG_CHARACTERS or "\0" in tag.key + tag.value:
            raise errors.TagInvalid(f"A tag's key takes 1 to {TAG_CHARACTERS} characters, its value up to {TAG_CHARACTERS}.")
    return tuple(given)


def numbered(pattern: str, count: int) -> tuple[str, ...]:
    """Return `count` names from a pattern: `{R:x}` counts up from x, `{R:x,F:y}` with y digits.

    Without a pattern, several names get their number at the end, and one stays as it is.
    Source: CVM RunInstances, InstanceName and HostName.
    """
    if not _NUMBERED.search(pattern):
        return (pattern,) if count == 1 else tuple(f"{pattern}{number}" for number in range(1, count + 1))

    def name(position: int) -> str:
        return _NUMBERED.sub(lambda found: str(int(found[1]) + position).zfill(int(found[2] or 0)), pattern)

    return tuple(name(position) for position in range(count))


def _named(parameter: str, text: str, characters: int) -> str:
    if not text.strip():
        raise errors.InvalidValue(f"{parameter} is empty.")
    if len(text) > characters:
        raise errors.ValueTooLong(f"{parameter} has more than {characters} characters.")
    return _without_nul(parameter, text)


def _without_nul(parameter: str, text: str) -> str:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise errors.InvalidValue(f"{parameter} has a character that cannot be kept.")
    return text
