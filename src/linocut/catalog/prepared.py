"""Statements that are asked again and again: built and compiled once, then sent to the driver as they are.

SQLAlchemy finds a statement that it has compiled before by looking through all of it, and wraps what comes back in a result with
names; that takes longer than the database takes for a page by its indexes. So a frequent query keeps its compiled text by its
shape, its values travel by name, and its rows are plain lists. Values are converted by the columns' own types, as always.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, Dialect, Select

Convert = Callable[[Any], Any]


class Prepared:
    """A compiled SELECT: its text, its parameters' order, and how each of its columns is read.

    Every parameter is a `bindparam` with a name and no value, given as the database takes it: text or a number.
    """

    def __init__(self, dialect: Dialect, statement: Select[Any]) -> None:
        compiled = statement.compile(dialect=dialect)
        converters = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in statement.selected_columns]
        self._text: Final = str(compiled)
        self._order: Final = compiled.positiontup
        self._constants: Final = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        self._convert: Final = [(place, convert) for place, convert in enumerate(converters) if convert is not None]

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[list[Any]]:
        """Return the rows that come of these values, each with its columns in the order of the statement."""
        named = {**self._constants, **values}
        cursor = connection.connection.cursor()
        try:
            cursor.execute(self._text, named if self._order is None else tuple(named[name] for name in self._order))
            rows = [list(row) for row in cursor.fetchall()]
        finally:
            cursor.close()
        for place, convert in self._convert:
            for row in rows:
                row[place] = convert(row[place])
        return rows
