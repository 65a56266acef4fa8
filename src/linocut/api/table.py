"""The table of everything the wire can do: (service, version, action) → `Action`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from linocut.api.codes import Codes
from linocut.api.envelope import Answer, Shape
from linocut.api.failures import Failure
from linocut.api.parameters import AsksNothing
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud

Request = TypeVar("Request", bound=Shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action(Generic[Request]):
    """One action: its typed request, what handles it, and what it may answer.

    `unsupported` lists the documented parameters that are refused by name, by their path (`SystemDisk.Encrypt`). `is_mutating`
    actions are audited. `needs_region` is false for the few that mean the same everywhere.
    """

    name: str
    request: type[Request]
    handle: Callable[[Cloud, Caller, Request], Answer]
    codes: Codes = field(default_factory=Codes)
    unsupported: Mapping[str, AsksNothing] = field(default_factory=dict)
    is_mutating: bool = False
    needs_region: bool = True


@dataclass(frozen=True, slots=True)
class Service:
    """One version of a service and its actions."""

    name: str
    version: str
    actions: tuple[Action[Any], ...]


class Table:
    """Finds actions by what a call names."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._actions: dict[str, dict[str, dict[str, Action[Any]]]] = {}
        for service in services:
            versions = self._actions.setdefault(service.name, {})
            versions[service.version] = {action.name: action for action in service.actions}

    def service_of(self, version: str, action: str, host: str) -> str:
        """Return the service that a call means which names none: the one that has the action, or else that of the host's name.

        Raises Failure NoSuchVersion, InvalidAction.
        """
        called = host.rpartition("//")[2].partition(".")[0].lower()
        known = [name for name, versions in self._actions.items() if version in versions]
        having = [name for name in known if action in self._actions[name][version]]
        if called in self._actions and (called in having or not having):
            return called
        if not known:
            raise Failure("NoSuchVersion", f"No service has a version `{version}`.")
        if not having:
            raise Failure("InvalidAction", f"No service has an action `{action}` in version {version}.")
        return having[0]

    def find(self, service: str, version: str, action: str) -> Action[Any]:
        """Return an action. Raises Failure NoSuchProduct, NoSuchVersion, InvalidAction."""
        versions = self._actions.get(service)
        if versions is None:
            raise Failure("NoSuchProduct", f"There is no service `{service}`.")
        actions = versions.get(version)
        if actions is None:
            raise Failure("NoSuchVersion", f"The service `{service}` has no version `{version}`.")
        found = actions.get(action)
        if found is None:
            raise Failure("InvalidAction", f"The service `{service}` has no action `{action}` in version {version}.")
        return found
