"""Who asks: the account behind a verified request, and where and how it asks."""

from dataclasses import dataclass

from linocut.model.ids import Region, SecretId
from linocut.model.records import Account, Session


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified request's account, region and identity. `language` is ``zh-CN`` or ``en-US``.

    `session` is there for a caller with the temporary credentials of a role.
    """

    account: Account
    secret_id: SecretId
    region: Region
    request_id: str
    source: str
    language: str
    endpoint: str = ""
    """The service's base URL as the caller addressed it, such as ``http://127.0.0.1:8774``; empty where that is not known."""
    session: Session | None = None
