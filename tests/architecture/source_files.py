"""The project's own source files, parsed."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class SourceFile:
    """A module's name, text and syntax tree."""

    path: str
    text: str
    tree: ast.Module


def source_files(*folders: str) -> Iterator[SourceFile]:
    """Yield every Python file below these folders of the project."""
    for folder in folders:
        for path in sorted((PROJECT / folder).rglob("*.py")):
            text = path.read_text()
            yield SourceFile(str(path.relative_to(PROJECT)), text, ast.parse(text))
