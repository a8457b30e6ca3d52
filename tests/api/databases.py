"""A database for each server under test, copied from a prepared one: a SQLite file, or a database of the run's PostgreSQL."""

import os
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests import postgresql

Row = Mapping[str, Any]


class Sqlite:
    """The embedded default: all that a server keeps is in its directory."""

    def prepare(self, var: Path) -> dict[str, str]:
        """The settings of a server on an empty database."""
        return {}

    def copy(self, seed: Path, var: Path) -> dict[str, str]:
        """The settings of a server on a copy of what `seed` became."""
        shutil.copytree(seed, var)
        return {}

    def rows(self, var: Path, query: str, values: tuple[Any, ...]) -> list[Row]:
        with closing(sqlite3.connect(f"file:{var}/castor.sqlite3?mode=ro", uri=True, timeout=20)) as database:
            database.row_factory = sqlite3.Row
            return database.execute(query, values).fetchall()


class Postgresql:
    """`CASTOR_TEST_DATABASE=postgresql`."""

    def __init__(self) -> None:
        self._cluster = os.environ["DATABASE_URL"].rpartition("/")[0]
        self._names: dict[Path, str] = {}
        self._numbers = count()

    def prepare(self, var: Path) -> dict[str, str]:
        return self._create(var, "template1")

    def copy(self, seed: Path, var: Path) -> dict[str, str]:
        shutil.copytree(seed, var)
        return self._create(var, self._names[seed])

    def rows(self, var: Path, query: str, values: tuple[Any, ...]) -> list[Row]:
        with psycopg.connect(f"{self._cluster}/{self._names[var]}", row_factory=dict_row) as database:
            return database.execute(query.replace("?", "%s"), values).fetchall()

    def _create(self, var: Path, template: str) -> dict[str, str]:
        # Processes of pytest-xdist share the cluster.
        name = self._names[var] = f"castor_{os.getpid()}_{next(self._numbers)}"
        with psycopg.connect(f"{self._cluster}/postgres", autocommit=True) as cluster:
            cluster.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        kept = {setting: os.environ[setting] for setting in ("SECRET_KEY", "CREDENTIAL_ENCRYPTION_KEYS")}
        return {"DATABASE_URL": f"{self._cluster}/{name}", **kept}


Databases = Sqlite | Postgresql


def databases() -> Databases:
    return Postgresql() if postgresql.wanted() else Sqlite()
