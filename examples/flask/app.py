"""Notes in a database. The server's and the database's spans come from instrumentations."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from flask import Flask

app = Flask(__name__)

NOTES = "SELECT column2 FROM (VALUES (1, 'buy milk'), (2, 'read')) WHERE column1 = ?"


@app.get("/notes/<int:number>")
def read_note(number: int) -> dict[str, str] | tuple[dict[str, str], int]:
    with closing(sqlite3.connect(":memory:")) as database:
        row = database.cursor().execute(NOTES, (number,)).fetchone()
    return {"text": row[0]} if row else ({"error": f"no note {number}"}, 404)
