"""database and db_session_factory: a real SQLite database in memory, and the sessions on it."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_TABLES = """
CREATE TABLE IF NOT EXISTS threads (id TEXT PRIMARY KEY, user_id TEXT NOT NULL, created_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS runs (
    thread_id TEXT NOT NULL REFERENCES threads (id), agent_name TEXT NOT NULL, answer TEXT NOT NULL
);
"""


class Database:
    """The connection to the store; raises `sqlite3.Error` from every use after `close`."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:")

    def migrate(self) -> None:
        """Create the tables."""
        self.connection.executescript(_TABLES)

    def ping(self) -> None:
        """Do nothing, but do it through the database."""
        self.connection.execute("SELECT 1").fetchone()

    def close(self) -> None:
        """Give the connection back; closing twice is allowed."""
        self.connection.close()


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation thread as stored; `created_at` in epoch seconds."""

    id: str
    user_id: str
    created_at: float


class Session:
    """One transaction's view of threads and runs."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def ensure_thread(self, thread_id: str, user_id: str) -> None:
        """Store the thread unless it is there already."""
        row = (thread_id, user_id, time.time())
        self._connection.execute("INSERT OR IGNORE INTO threads VALUES (?, ?, ?)", row)

    def threads_of(self, user_id: str) -> list[Thread]:
        """The user's threads, oldest first."""
        query = "SELECT id, user_id, created_at FROM threads WHERE user_id = ? ORDER BY created_at, id"
        return [Thread(*row) for row in self._connection.execute(query, (user_id,))]

    def add_run(self, thread_id: str, agent_name: str, answer: str) -> None:
        """Store what an agent answered in a thread."""
        self._connection.execute("INSERT INTO runs VALUES (?, ?, ?)", (thread_id, agent_name, answer))

    def answers_in(self, thread_id: str) -> list[str]:
        """The answers of a thread's finished runs, oldest first."""
        query = "SELECT answer FROM runs WHERE thread_id = ? ORDER BY rowid"
        return [answer for (answer,) in self._connection.execute(query, (thread_id,))]


class SessionFactory:
    """db_session_factory: hands out sessions on the database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session that commits at the end, or rolls back when its block raises."""
        with self.database.connection as connection:
            yield Session(connection)
