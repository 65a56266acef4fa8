"""The errors of the domain: each has a class, each class a use."""

import ast
import inspect

from source_files import source_files

from linocut.model import errors
from linocut.model.errors import Conflict, Exhausted, Malformed, NotAllowed, NotFound, Refusal

KINDS = (Malformed, NotFound, NotAllowed, Conflict, Exhausted)
LEAVES = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, Refusal) and kind not in {Refusal, *KINDS}
}


def raised() -> set[str]:
    """Return the names of the classes that some module of ours makes an exception of."""
    return {
        ast.unparse(node.func).rpartition(".")[2]
        for source in source_files("src/linocut")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
    }


def test_every_error_is_raised_somewhere() -> None:
    assert sorted(set(LEAVES) - raised()) == []


def test_every_error_is_of_one_kind_and_says_what_it_means() -> None:
    for name, kind in LEAVES.items():
        assert len([each for each in KINDS if issubclass(kind, each)]) == 1, name
        assert kind.__doc__, name


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = [line.split()[1] for line in (errors.__doc__ or "").splitlines() if "──" in line]
    assert drawn == [kind.__name__ for kind in KINDS]


def test_an_error_keeps_its_detail_apart_from_its_sentence() -> None:
    refusal = errors.ImageNotFound("There is no image.", detail="row 7")
    assert str(refusal) == "There is no image."
    assert refusal.detail == "row 7"
