"""What every source file keeps to, so that a stranger can read any of them."""

import ast

from source_files import SourceFile, source_files

OURS = tuple(source_files("src/linocut"))
LONGEST_FILE = 500
STATE_ALLOWED = {
    "src/linocut/cloud/workflows/durable.py",  # DBOS keeps its workflows in a registry of its process
}
MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MUTABLE_CALLS = {"list", "dict", "set", "defaultdict", "deque", "OrderedDict", "Counter", "bytearray"}
READ_ONLY = {"Mapping", "Sequence", "tuple", "frozenset", "Collection"}


def module_values(source: SourceFile) -> list[tuple[str, ast.expr | None, ast.expr]]:
    """Return the names, annotations and values that a module assigns when it is imported."""
    found: list[tuple[str, ast.expr | None, ast.expr]] = []
    for statement in source.tree.body:
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:
            found.append((ast.unparse(statement.target), statement.annotation, statement.value))
        elif isinstance(statement, ast.Assign):
            found.extend((ast.unparse(target), None, statement.value) for target in statement.targets)
    return found


def is_empty_or_made(value: ast.expr) -> bool:
    """Tell whether a value is a container that only makes sense if it is filled later."""
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).rpartition(".")[2] in MUTABLE_CALLS
    return isinstance(value, MUTABLE) and not getattr(value, "elts", getattr(value, "keys", [value]))


def test_every_module_says_what_it_is() -> None:
    assert [source.path for source in OURS if not ast.get_docstring(source.tree)] == []


def test_no_file_is_too_long_to_be_read_at_one_sitting() -> None:
    long = {source.path: source.text.count("\n") for source in OURS if source.text.count("\n") > LONGEST_FILE}
    assert long == {}


def test_no_module_keeps_state() -> None:
    kept = [
        f"{source.path}: {name}"
        for source in OURS
        for name, _, value in module_values(source)
        if is_empty_or_made(value) and source.path not in STATE_ALLOWED
    ]
    assert kept == []


def test_no_function_rebinds_a_module_s_name() -> None:
    rebinding = [
        f"{source.path}:{node.lineno}" for source in OURS for node in ast.walk(source.tree) if isinstance(node, ast.Global)
    ]
    assert rebinding == []


def test_nothing_writes_to_a_module_s_table() -> None:
    """Tables at the top of a module are never written to, wherever they are used."""
    verbs = {"append", "add", "extend", "update", "pop", "clear", "setdefault", "insert", "remove", "discard"}
    written = []
    for source in OURS:
        tables = {name for name, _, value in module_values(source) if isinstance(value, MUTABLE)}
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in verbs:
                written += [f"{source.path}:{node.lineno}"] if ast.unparse(node.func.value) in tables else []
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
                written += [f"{source.path}:{node.lineno}"] if ast.unparse(node.value) in tables else []
    assert [place for place in written if place.rpartition(":")[0] not in STATE_ALLOWED] == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "core", "manager", "misc", "base"}
    assert [source.path for source in OURS if source.path.rpartition("/")[2].removesuffix(".py") in vague] == []
