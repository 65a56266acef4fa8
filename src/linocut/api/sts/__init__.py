"""The service `sts`: who calls, and temporary credentials. Source: STS API, version 2018-08-13."""

from typing import Final

from linocut.api.codes import codes
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import Int, is_empty
from linocut.api.table import Action, Service
from linocut.cloud import sessions
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors


class GetCallerIdentity(Shape):
    """Nothing to say."""


class AssumeRole(Shape):
    """Which role of the caller's account, the name of the session, and how long it lasts."""

    role_arn: str
    role_session_name: str
    duration_seconds: Int = sessions.DEFAULT_DURATION_S


class CallerIdentity(Answer):
    """Who calls: an account, or a role of it."""

    arn: str
    account_id: str
    user_id: str
    principal_id: str
    type: str


class Credentials(Shape):
    """What to sign with, and the token to send along."""

    token: str
    tmp_secret_id: str
    tmp_secret_key: str


class RoleAssumed(Answer):
    """Temporary credentials and their end."""

    credentials: Credentials
    expired_time: int
    expiration: str


def get_caller_identity(_cloud: Cloud, caller: Caller, _request: GetCallerIdentity) -> CallerIdentity:
    """Tell who calls."""
    uin = caller.account.uin
    if caller.session is None:
        return CallerIdentity(arn=f"qcs::cam:{uin}:uin/{uin}", account_id=uin, user_id=uin, principal_id=uin, type="CAMUser")
    role = sessions.role_number(caller.session)
    return CallerIdentity(
        arn=f"qcs::sts:{uin}:assumed-role/{role}",
        account_id=uin,
        user_id=f"{role}:{caller.session.name}",
        principal_id=uin,
        type="CAMRole",
    )


def assume_role(cloud: Cloud, caller: Caller, request: AssumeRole) -> RoleAssumed:
    """Hand out temporary credentials."""
    session = sessions.assume_role(
        cloud, caller, role_arn=request.role_arn, name=request.role_session_name, duration_s=request.duration_seconds
    )
    return RoleAssumed(
        credentials=Credentials(token=session.token, tmp_secret_id=session.secret_id, tmp_secret_key=session.secret_key),
        expired_time=int(session.expires_at.timestamp()),
        expiration=session.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


STS: Final = Service(
    name="sts",
    version="2018-08-13",
    actions=(
        Action(name="GetCallerIdentity", request=GetCallerIdentity, handle=get_caller_identity, needs_region=False),
        Action(
            name="AssumeRole",
            request=AssumeRole,
            handle=assume_role,
            is_mutating=True,
            needs_region=False,
            codes=codes(
                errors.RoleInvalid,
                errors.SessionNameInvalid,
                errors.SessionTooLong,
                errors.TemporaryKeyNotAllowed,
                errors.RoleNotFound,
                errors.LostRace,
            ),
            unsupported=dict.fromkeys(("Policy", "ExternalId", "Tags", "SourceIdentity", "SerialNumber", "TokenCode"), is_empty),
        ),
    ),
)
