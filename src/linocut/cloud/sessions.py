"""Sessions: an account takes on a role of its own for a while, with credentials that end.

There is no access management here: a role is a name, and what it may do is what its account may do. What a session is for is what
it does on Tencent Cloud in builds: keys that are of no use the next day, and a name of its own in the audit log.
"""

import hashlib
import hmac
import re
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from linocut.cloud.accounts import ALPHANUMERIC
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors
from linocut.model.ids import SecretId, Uin
from linocut.model.records import Session

DEFAULT_DURATION_S: Final = 7200
_LONGEST_DURATION_S: Final = 43200
_KEPT_AFTER_END: Final = timedelta(days=1)
"""How long an ended session is remembered, so that its owner is told that it has ended rather than that it never was."""
_ROLE: Final = re.compile(r"qcs::cam::uin/([0-9]{1,20}):(roleName/[\w+=,.@-]{1,128}|role/[0-9]{1,20})", re.ASCII)
_NAME: Final = re.compile(r"[\w+=,.@-]{2,128}", re.ASCII)
_FIRST_ROLE_NUMBER: Final = 4611686018427387904


@dataclass(frozen=True, slots=True)
class NewSession:
    """Temporary credentials, which are shown this once."""

    secret_id: SecretId
    secret_key: str
    token: str
    expires_at: datetime


def assume_role(cloud: Cloud, caller: Caller, *, role_arn: str, name: str, duration_s: int) -> NewSession:
    """Take on a role of the caller's account for a while.

    Raises RoleInvalid, SessionNameInvalid, SessionTooLong, TemporaryKeyNotAllowed, RoleNotFound. Source: STS AssumeRole.
    """
    role = _ROLE.fullmatch(role_arn)
    if role is None:
        raise errors.RoleInvalid("RoleArn takes qcs::cam::uin/<uin>:roleName/<name> or qcs::cam::uin/<uin>:role/<number>.")
    if _NAME.fullmatch(name) is None:
        raise errors.SessionNameInvalid("RoleSessionName takes 2 to 128 letters, digits and characters of +=,.@_-.")
    if not 1 <= duration_s <= _LONGEST_DURATION_S:
        raise errors.SessionTooLong(f"DurationSeconds takes 1 to {_LONGEST_DURATION_S}.")
    if caller.session is not None:
        raise errors.TemporaryKeyNotAllowed("Temporary credentials cannot take on a role.")
    if Uin(role[1]) != caller.account.uin:
        raise errors.RoleNotFound(f"There is no role {role_arn} that this account may take on.")
    dice, at = cloud.randomness, cloud.now()
    new = NewSession(
        secret_id=SecretId("AKID" + "".join(dice.choices(ALPHANUMERIC, k=60))),
        secret_key="".join(dice.choices(ALPHANUMERIC, k=44)),
        token="".join(dice.choices(ALPHANUMERIC, k=160)),
        expires_at=(at + timedelta(seconds=duration_s)).replace(microsecond=0),
    )
    sealed = cloud.seal.close(new.secret_id, new.secret_key)
    session = Session(new.secret_id, caller.account.uin, role[2], name, sealed, _digest(new.token), at, new.expires_at)
    with cloud.catalog.begin() as tx:
        tx.sessions.expire(at - _KEPT_AFTER_END)
        tx.sessions.add(session)
    return new


def token_opens(session: Session, token: str, at: datetime) -> bool:
    """Tell, in constant time, whether the token is the session's and the session has not ended at this moment."""
    return hmac.compare_digest(_digest(token), session.token_digest) and at < session.expires_at


def role_number(session: Session) -> str:
    """Return the number of the session's role: the one it was named by, or one that is always the same for its name."""
    kind, _, name = session.role.partition("/")
    return name if kind == "role" else str(_FIRST_ROLE_NUMBER + zlib.crc32(f"{session.uin}/{name}".encode()))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
