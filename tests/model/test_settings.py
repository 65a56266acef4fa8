import dataclasses
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from linocut.settings import Settings, SettingsError, load_settings, remember

FIELDS = {field.name: field for field in dataclasses.fields(Settings) if field.name != "state"}
OTHER_VALUES: dict[str, tuple[str, str, Any]] = {
    "database": ('"sqlite:////elsewhere.db"', "sqlite:////elsewhere.db", "sqlite:////elsewhere.db"),
    "store": ('"file:///elsewhere"', "file:///elsewhere", "file:///elsewhere"),
    "bucket": ('"s3://?endpoint=http://s3"', "s3://?endpoint=http://s3", "s3://?endpoint=http://s3"),
    "listen": ('"127.0.0.1:99"', "127.0.0.1:99", "127.0.0.1:99"),
    "fetch_allow": ('["10.0.0.0/8", "127.0.0.0/8"]', "10.0.0.0/8, 127.0.0.0/8", ("10.0.0.0/8", "127.0.0.0/8")),
    "accelerator": ('"tcg"', "tcg", "tcg"),
    "launch_while_syncing": ("true", "True", True),
    "rate_limits": ("true", "True", True),
    "arrears": ("true", "True", True),
    "arrears_days": ("8", "8", 8),
}
BY_KIND: dict[Any, tuple[str, str, Any]] = {
    int: ("7", "7", 7),
    bool: ("false", "FALSE", False),
    float: ("7.5", "7.5", 7.5),
    str: ('"other"', "other", "other"),
}


def other_value(name: str) -> tuple[str, str, Any]:
    """Return a value of a setting as TOML, as a variable, and as it is read."""
    return OTHER_VALUES.get(name) or BY_KIND[FIELDS[name].type]


def from_file(tmp_path: Path, text: str, **variables: str) -> Settings:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    return load_settings(tmp_path, None, file, variables)


def test_no_setting_is_needed(tmp_path: Path) -> None:
    assert load_settings(tmp_path, None, None, {}) == Settings(state=tmp_path)


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_stands_in_the_file_or_in_the_environment_which_wins(name: str, tmp_path: Path) -> None:
    toml, variable, value = other_value(name)
    assert value != FIELDS[name].default

    assert getattr(from_file(tmp_path, f"{name} = {toml}"), name) == value
    assert getattr(load_settings(tmp_path, None, None, {f"LINOCUT_{name.upper()}": variable}), name) == value
    default = FIELDS[name].default
    first = from_file(tmp_path, f"{name} = {toml}", **{f"LINOCUT_{name.upper()}": _as_variable(default)})
    assert getattr(first, name) == default


def _as_variable(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize("name", FIELDS)
def test_a_setting_of_the_wrong_type_is_refused_by_its_name(name: str, tmp_path: Path) -> None:
    wrong = "7" if FIELDS[name].type not in {int, float} else '"many"'
    with pytest.raises(SettingsError, match=name):
        from_file(tmp_path, f"{name} = {wrong}")
    with pytest.raises(SettingsError, match=name):
        from_file(tmp_path, f"{name} = {{}}")


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.type in {int, float}])
def test_a_number_is_one_and_not_below_zero(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=name.upper()):
        load_settings(tmp_path, None, None, {f"LINOCUT_{name.upper()}": "many"})
    with pytest.raises(SettingsError, match=name):
        from_file(tmp_path, f"{name} = -1")
    with pytest.raises(SettingsError, match=name):
        from_file(tmp_path, f"{name} = true")


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.type is float])
@pytest.mark.parametrize("text", ["nan", "inf"])
def test_a_time_is_finite(name: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=name):
        load_settings(tmp_path, None, None, {f"LINOCUT_{name.upper()}": text})


def test_a_whole_number_is_a_time(tmp_path: Path) -> None:
    assert from_file(tmp_path, "shutdown_timeout_s = 3").shutdown_timeout_s == 3.0


def test_an_unknown_name_is_refused_wherever_it_stands(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="colour"):
        from_file(tmp_path, 'colour = "red"')
    with pytest.raises(SettingsError, match="LINOCUT_COLOUR"):
        load_settings(tmp_path, None, None, {"LINOCUT_COLOUR": "red"})
    with pytest.raises(SettingsError, match="state"):
        from_file(tmp_path, 'state = "/tmp"')


def test_variables_of_others_are_none_of_ours(tmp_path: Path) -> None:
    others = {"PATH": "/bin", "LINOCUT_STATE": "/elsewhere", "LINOCUT_ENDPOINT": "http://localhost", "XLINOCUT_STORE": "x"}
    assert load_settings(tmp_path, None, None, others) == Settings(state=tmp_path)


def test_the_command_line_s_address_wins(tmp_path: Path) -> None:
    variables = {"LINOCUT_LISTEN": "127.0.0.1:1"}
    assert load_settings(tmp_path, "127.0.0.1:2", None, variables).listen == "127.0.0.1:2"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('fetch_allow = ["10.0.0.1/8"]', "fetch_allow"),
        ('fetch_allow = ["everywhere"]', "fetch_allow"),
        ('accelerator = "hvf"', "accelerator"),
        ('listen = "8774"', "listen"),
        ('listen = "localhost:"', "listen"),
        ("listen = ", "settings.toml"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_its_name(text: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=named):
        from_file(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml"):
        load_settings(tmp_path, None, tmp_path / "nowhere.toml", {})


def test_workflows_keep_their_progress_beside_the_catalog(tmp_path: Path) -> None:
    embedded = Settings(state=tmp_path)
    shared = Settings(state=tmp_path, database="postgresql://host/db")

    assert embedded.database_url == f"sqlite:///{tmp_path}/linocut.db"
    assert embedded.workflow_database_url == f"sqlite:///{tmp_path}/workflows.db"
    assert shared.workflow_database_url == shared.database_url == "postgresql://host/db"


def test_sockets_lie_in_the_state_directory_or_where_their_path_is_short_enough() -> None:
    near, far = Path("/srv/linocut"), Path("/srv") / ("deep" * 30)

    assert Settings(state=near).runtime == near / "run"
    assert len(str(Settings(state=far).runtime)) < 60
    assert Settings(state=far).runtime != Settings(state=far / "other").runtime


def test_capacity_is_what_the_machine_has_unless_told(tmp_path: Path) -> None:
    vcpus, memory_mb = Settings(state=tmp_path).capacity()

    assert vcpus == 4 * len(os.sched_getaffinity(0))
    assert 256 < memory_mb < 2**24
    assert Settings(state=tmp_path, host_vcpus=3, host_memory_mb=4).capacity() == (3, 4)


def test_what_a_service_ran_with_is_remembered_for_those_who_look_from_outside(tmp_path: Path) -> None:
    ran = replace(Settings(state=tmp_path), database="sqlite:////elsewhere.db", store_grace_s=5.0, fetch_allow=("127.0.0.0/8",))
    remember(replace(ran, secret_key="5e" * 32, crash_at="somewhere"))

    assert load_settings(tmp_path, None, None, {}, remembered=True) == ran
    assert load_settings(tmp_path, None, None, {}) == Settings(state=tmp_path)
    outside = load_settings(tmp_path, None, None, {"LINOCUT_DATABASE": "sqlite:////here.db"}, remembered=True)
    assert outside == replace(ran, database="sqlite:////here.db")


@pytest.mark.parametrize(
    ("name", "url"), [("store", "ftp://x"), ("bucket", "http://x"), ("store", "memory:///"), ("database", "foo://bar")]
)
def test_a_place_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path, name: str, url: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} takes"):
        load_settings(tmp_path, None, None, {f"LINOCUT_{name.upper()}": url})
