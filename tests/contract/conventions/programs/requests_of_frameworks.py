"""Requests to FastAPI and Flask with requests, and queries with SQLAlchemy, instrumented; prints the spans as JSON.

``OTEL_SEMCONV_STABILITY_OPT_IN`` tells the instrumentations which names to give.
"""

import json
import threading
import time

import flask
import requests
import sqlalchemy
import uvicorn
from fastapi import FastAPI, HTTPException
from opentelemetry import trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from werkzeug.serving import make_server

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)

web = FastAPI()
pages = flask.Flask("pages")


@web.get("/items/{number}")
def item(number: int) -> dict[str, int]:
    if number == 404:
        raise HTTPException(404)
    if number == 500:
        raise HTTPException(500)
    return {"number": number}


@pages.route("/pages/<int:number>", methods=["GET", "POST"])
def page(number: int) -> tuple[str, int]:
    return "", 200 if number < 400 else number


def in_thread(target) -> None:
    threading.Thread(target=target, daemon=True).start()


def main() -> None:
    FastAPIInstrumentor.instrument_app(web, exclude_spans=["receive", "send"])
    FlaskInstrumentor().instrument_app(pages)
    RequestsInstrumentor().instrument()
    engine = sqlalchemy.create_engine("sqlite:///:memory:")
    SQLAlchemyInstrumentor().instrument(engine=engine)

    server = uvicorn.Server(uvicorn.Config(web, port=0, log_level="error"))
    in_thread(server.run)
    while not server.started:
        time.sleep(0.01)
    web_port = server.servers[0].sockets[0].getsockname()[1]
    pages_server = make_server("127.0.0.1", 0, pages, threaded=True)
    in_thread(pages_server.serve_forever)

    with requests.Session() as session:
        for path in ("/items/1", "/items/2?color=red&size=3", "/items/404", "/items/500", "/nothing"):
            session.get(f"http://127.0.0.1:{web_port}{path}")
        for path in ("/pages/1?a=b", "/pages/404", "/pages/503", "/nothing"):
            session.post(f"http://127.0.0.1:{pages_server.port}{path}", data=b"x")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE orders (id INTEGER)"))
        connection.execute(sqlalchemy.text("SELECT id FROM orders"))
    server.should_exit = True
    pages_server.shutdown()

    ports = {str(web_port): "PORT", str(pages_server.port): "PORT"}
    print(json.dumps([_as_dict(span, ports) for span in exporter.get_finished_spans()]))


def _as_dict(span, ports):
    def plain(value):
        for port in ports:
            if isinstance(value, str):
                value = value.replace(port, "1234")
            elif value == int(port):
                value = 1234
        return list(value) if isinstance(value, tuple) else value

    attributes = {key: plain(value) for key, value in span.attributes.items()}
    return {"scope": span.instrumentation_scope.name, "kind": span.kind.value, "name": span.name, "attributes": attributes}


main()
