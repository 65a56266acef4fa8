"""Every sentence that somebody may be refused with is there in Chinese, and no translation is of a sentence that nobody says."""

import ast
import inspect
import re
import tomllib
from collections.abc import Iterator

import pytest
from source_files import PROJECT, SourceFile, source_files

from linocut.api.app import SERVICES
from linocut.api.chinese import catalogue
from linocut.api.failures import COMMON_CODES, Failure
from linocut.model import errors

KINDS = {name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, errors.Refusal)}
HELD = tomllib.loads((PROJECT / "src/linocut/api/chinese.toml").read_text())
HAN = re.compile(r"[\u4e00-\u9fff]")
TRANSLATOR = "src/linocut/api/chinese.py"
PASSED_ON = {"str(refusal)", "str(error)"}
"""What is no sentence of its own: another error's."""


def _template(source: SourceFile, said: ast.expr) -> str | None:
    """Return a sentence with braces for its values, None where it is another error's."""
    if isinstance(said, ast.Constant):
        return str(said.value)
    if isinstance(said, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in said.values)
    if isinstance(said, ast.Name):
        for statement in source.tree.body:
            if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.target) == said.id and statement.value:
                return _template(source, statement.value)
    assert ast.unparse(said) in PASSED_ON, f"{source.path}:{said.lineno}: say the sentence where it is raised"
    return None


def _sentences() -> Iterator[tuple[str, str]]:
    """Yield every sentence with where it is said."""
    for source in source_files("src/linocut/model", "src/linocut/catalog", "src/linocut/cloud", "src/linocut/api"):
        if source.path == TRANSLATOR:
            continue
        for node in ast.walk(source.tree):
            name = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and node.args and name in {"Failure", *KINDS}:
                template = _template(source, node.args[1 if name == "Failure" else 0])
                if template is not None:
                    yield template, f"{source.path}:{node.lineno}"


SENTENCES = dict(_sentences())


def test_every_sentence_is_there_in_chinese() -> None:
    missing = {said: where for said, where in SENTENCES.items() if said not in HELD["sentences"]}

    assert missing == {}, "add them to src/linocut/api/chinese.toml"


def test_no_translation_is_of_a_sentence_that_nobody_says() -> None:
    assert set(HELD["sentences"]) - set(SENTENCES) == set()


@pytest.mark.parametrize("part", ["sentences", "phrases"])
def test_a_translation_has_the_values_of_its_sentence(part: str) -> None:
    for english, chinese in HELD[part].items():
        count = english.count("{}")
        used = re.findall(r"\{(\d*)\}", chinese)
        assert sorted(used) in ([""] * count, [str(number) for number in range(count)]), english
        assert HAN.search(chinese), english


def test_every_code_has_a_general_sentence() -> None:
    codes = COMMON_CODES.union(*(action.codes.every() for service in SERVICES for action in service.actions))

    assert {code.partition(".")[0] for code in codes} - set(HELD["families"]) == set()


def test_a_sentence_is_taken_for_itself_and_for_no_other() -> None:
    for english, chinese in HELD["sentences"].items():
        values = [f"<{number}>" for number in range(english.count("{}"))]
        said = str(catalogue().failure(Failure("X", english.replace("{}", "{}").format(*values))))
        assert said == chinese.format(*values), english
