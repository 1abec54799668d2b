from __future__ import annotations

from flask import Flask, request
from outgoing import call_all

app = Flask(__name__)


@app.route("/", methods=["GET", "POST"])
def index() -> str:
    call_all(request.query_string.decode(), request.headers, request.get_data())
    return "ok"
