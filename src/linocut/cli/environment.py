"""`linocut env`."""

from shlex import quote

from linocut.cli.output import print_json
from linocut.cli.wire import ClientOptions, credentials_of, endpoint_of, proxy_exceptions, region_of, state_directory


def print_environment(*, options: ClientOptions | None = None) -> None:
    """Print what makes tccli and the SDKs use a service; for `eval "$(linocut env --state DIR)"`.

    Credentials and region are variables that they read. The endpoint is none, so tccli gets it by a shell
    function of its name, and a program that uses an SDK sets it from LINOCUT_ENDPOINT.
    """
    options = options or ClientOptions()
    secret_id, secret_key = credentials_of(options)
    endpoint = endpoint_of(options)
    variables = {
        "TENCENTCLOUD_SECRET_ID": secret_id,
        "TENCENTCLOUD_SECRET_KEY": secret_key,
        "TENCENTCLOUD_REGION": region_of(options),
        "LINOCUT_ENDPOINT": endpoint,
        "LINOCUT_STATE": str(state_directory(options.state).resolve()),
        **proxy_exceptions(endpoint),
    }
    if options.json:
        print_json(variables)
        return
    for name, value in variables.items():
        print(f"export {name}={quote(value)}")
    print('# SDKs: HttpProfile(endpoint=os.environ["LINOCUT_ENDPOINT"]). tccli takes its endpoint from no variable, so:')
    print('tccli() { command tccli --endpoint "$LINOCUT_ENDPOINT" "$@"; }')
    print('[ -z "${BASH_VERSION:-}" ] || export -f tccli')
