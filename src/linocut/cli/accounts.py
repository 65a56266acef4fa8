"""`linocut account …`: on the state directory, whether the service runs or not; balances through the service."""

from datetime import UTC
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from linocut.cli.offline import opened
from linocut.cli.output import print_json, print_table
from linocut.cli.wire import ClientOptions, connect


def create(
    name: str,
    /,
    *,
    currency: str = "",
    state: Path | None = None,
    settings: Path | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Make an account, and print its credentials, which cannot be had again.

    Args:
        name: the account's name.
        currency: what it pays in, which something must have a price in. Default: the price book's.
        state: state directory of the service. Default: LINOCUT_STATE or ./.state.
        settings: settings file of the service.
        json: print JSON.
    """
    from linocut.cloud.accounts import create_account

    with opened(state, settings) as cloud:
        made = create_account(cloud, name, currency)
    credentials = {
        "Uin": str(made.uin),
        "AppId": made.app_id,
        "SecretId": str(made.secret_id),
        "SecretKey": made.secret_key,
    }
    if json:
        print_json(credentials)
    else:
        print_table(("", name), list(credentials.items()))


def list_all(
    *,
    state: Path | None = None,
    settings: Path | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """List the accounts.

    Args:
        state: state directory of the service. Default: LINOCUT_STATE or ./.state.
        settings: settings file of the service.
        json: print JSON.
    """
    from linocut.cloud.accounts import list_accounts

    with opened(state, settings) as cloud:
        accounts = [
            {
                "Uin": str(account.uin),
                "AppId": account.app_id,
                "Name": account.name,
                "IsOperator": account.is_operator,
                "CreatedTime": account.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
            for account in list_accounts(cloud)
        ]
    if json:
        print_json(accounts)
        return
    headings = ("UIN", "APPID", "NAME", "OPERATOR", "CREATED")
    print_table(headings, [[str(value) for value in account.values()] for account in accounts])


def top_up(uin: str, amount: str, /, *, options: ClientOptions | None = None) -> None:
    """Raise an account's balance, for the operator, or take from it.

    Where arrears are attended to, snapshots and images are isolated while it is below zero, and given back once it is not.

    Args:
        uin: whose.
        amount: by how much, in the account's currency, such as 12.50; less than zero takes from it.
        options: where the service is, and who calls.
    """
    answer = connect(options).call_own("TopUpAccount", Account=uin, Amount=amount)
    if options is not None and options.json:
        print_json(answer)
    else:
        print(f"The balance of {uin} is {answer['Balance']}.")
