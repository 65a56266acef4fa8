"""`linocut key …`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from linocut.cli.failures import CommandFailed, Misused
from linocut.cli.output import print_json, print_table
from linocut.cli.wire import ClientOptions, Wire, connect
from linocut.model.ids import is_id

_KEY_PREFIX: Final = "skey"


def create(name: str, /, *, out: Path | None = None, options: ClientOptions | None = None) -> None:
    """Make a key pair and print its private key, which the service does not keep.

    Args:
        name: letters, digits and underscores.
        out: write the private key to this new file, readable by you alone, and print the pair's id instead.
        options: where and who.
    """
    options = options or ClientOptions()
    wire = connect(options)
    if out is None:
        pair = wire.call("CreateKeyPair", KeyName=name, ProjectId=0)["KeyPair"]
    else:
        with out.open("x") as file:  # before the pair exists, so that no private key is lost
            out.chmod(0o600)
            pair = wire.call("CreateKeyPair", KeyName=name, ProjectId=0)["KeyPair"]
            file.write(_ended(pair["PrivateKey"]))
    if options.json:
        print_json(pair)
    elif out is None:
        print(_ended(pair["PrivateKey"]), end="")
    else:
        print(pair["KeyId"])


def import_key(name: str, file: Path, /, *, options: ClientOptions | None = None) -> None:
    """Make a key pair known by its public key.

    Args:
        name: letters, digits and underscores.
        file: an OpenSSH public key, such as ~/.ssh/id_ed25519.pub.
        options: where and who.
    """
    options = options or ClientOptions()
    key = file.expanduser().read_text().strip()
    if "PRIVATE KEY" in key:
        raise CommandFailed(f"{file} holds a private key; name the file of the public one")
    key_id = connect(options).call("ImportKeyPair", KeyName=name, ProjectId=0, PublicKey=key)["KeyId"]
    if options.json:
        print_json({"KeyId": key_id, "KeyName": name})
    else:
        print(key_id)


def list_keys(*, options: ClientOptions | None = None) -> None:
    """List your key pairs."""
    options = options or ClientOptions()
    pairs = list(connect(options).pages("DescribeKeyPairs", "KeyPairSet"))
    if options.json:
        print_json(pairs)
        return
    rows = [(pair["KeyId"], pair["KeyName"], pair["CreatedTime"]) for pair in pairs]
    print_table(("ID", "NAME", "CREATED"), rows)


def delete(*keys: str, options: ClientOptions | None = None) -> None:
    """Delete key pairs.

    Args:
        keys: the id or name of each.
        options: where and who.
    """
    if not keys:
        raise Misused("name at least one key pair")
    options = options or ClientOptions()
    wire = connect(options)
    key_ids = [find_key(wire, key) for key in keys]
    wire.call("DeleteKeyPairs", KeyIds=key_ids)
    if options.json:
        print_json(key_ids)
    else:
        print("\n".join(key_ids))


def bind(
    key: str,
    /,
    *instances: str,
    force: Annotated[bool, Parameter(negative="")] = False,
    options: ClientOptions | None = None,
) -> None:
    """Let a key pair log in to instances, in place of those that did and of the password.

    Args:
        key: its id or name.
        instances: the id of each.
        force: restart those that run; without it they must be stopped.
        options: where and who.
    """
    _change("AssociateInstancesKeyPairs", key, instances, force=force, options=options)


def unbind(
    key: str,
    /,
    *instances: str,
    force: Annotated[bool, Parameter(negative="")] = False,
    options: ClientOptions | None = None,
) -> None:
    """Let a key pair log in to instances no more.

    Args:
        key: its id or name.
        instances: the id of each.
        force: restart those that run; without it they must be stopped.
        options: where and who.
    """
    _change("DisassociateInstancesKeyPairs", key, instances, force=force, options=options)


def _change(action: str, key: str, instances: Sequence[str], *, force: bool, options: ClientOptions | None) -> None:
    if not instances:
        raise Misused("name at least one instance")
    options = options or ClientOptions()
    wire = connect(options)
    wire.call(action, InstanceIds=list(instances), KeyIds=[find_key(wire, key)], ForceStop=force)
    if options.json:
        print_json(list(instances))
    else:
        print("\n".join(instances))


def find_key(wire: Wire, key: str) -> str:
    """Return the id of the key pair with this id or name. Raises CommandFailed."""
    if is_id(_KEY_PREFIX, key):
        return key
    by_name = [{"Name": "key-name", "Values": [key]}]
    for pair in wire.pages("DescribeKeyPairs", "KeyPairSet", Filters=by_name):
        if pair["KeyName"] == key:
            return str(pair["KeyId"])
    raise CommandFailed(f"there is no key pair named {key}")


def _ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"
