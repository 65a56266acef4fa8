"""`linocut bucket …`: the files that exports left in a bucket."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from linocut.cli.exports import check_output, download
from linocut.cli.failures import Misused
from linocut.cli.output import print_json, print_table
from linocut.cli.wire import ClientOptions, Wire, connect


def list_files(*, bucket: str | None = None, options: ClientOptions | None = None) -> None:
    """List the files of a bucket, the newest first.

    Args:
        bucket: its name ends in your AppId; without one, images-APPID.
        options: where and who.
    """
    options = options or ClientOptions()
    files = connect(options).call_own("DescribeBucketFiles", BucketName=bucket)["FileSet"]
    if options.json:
        print_json(files)
        return
    print_table(("KEY", "BYTES", "MODIFIED"), [(file["Key"], file["SizeBytes"], file["ModifiedTime"]) for file in files])


def get(
    key: str,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=("--output", "-o"))] = None,
    bucket: str | None = None,
    options: ClientOptions | None = None,
) -> None:
    """Bring a file of a bucket here.

    Args:
        key: the file, as `bucket list` names it.
        output: where to; without it, the last part of its name, in this folder. An existing file is not replaced.
        bucket: its name ends in your AppId; without one, images-APPID.
        options: where and who.
    """
    file = output or Path(key.rpartition("/")[2])
    check_output(file)
    options = options or ClientOptions()
    wire = connect(options)
    download(wire, _named(wire, bucket), key, file)
    if options.json:
        print_json({"Key": key, "File": str(file)})
    else:
        print(file)


def delete(*keys: str, bucket: str | None = None, options: ClientOptions | None = None) -> None:
    """Delete files of a bucket; one that is not there is no error.

    Args:
        keys: the files, as `bucket list` names them.
        bucket: its name ends in your AppId; without one, images-APPID.
        options: where and who.
    """
    if not keys:
        raise Misused("name at least one file")
    options = options or ClientOptions()
    wire = connect(options)
    wire.call_own("DeleteBucketFiles", BucketName=_named(wire, bucket), Keys=list(keys))
    if options.json:
        print_json(list(keys))
    else:
        print("\n".join(keys))


def _named(wire: Wire, bucket: str | None) -> str:
    return bucket or str(wire.call_own("DescribeBucketFiles")["BucketName"])
