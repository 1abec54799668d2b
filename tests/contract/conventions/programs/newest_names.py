"""Twelve instrumentations at work, with the names of ``OTEL_SEMCONV_STABILITY_OPT_IN``; prints the spans as JSON."""

import asyncio
import json
import sqlite3
import threading
import time
import urllib.request
from wsgiref.simple_server import WSGIRequestHandler
from wsgiref.simple_server import make_server as make_wsgi_server

import aiohttp
import falcon
import flask
import httpx
import jinja2
import requests
import sqlalchemy
import urllib3
import uvicorn
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.falcon import FalconInstrumentor
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.jinja2 import Jinja2Instrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor
from opentelemetry.instrumentation.starlette import StarletteInstrumentor
from opentelemetry.instrumentation.urllib import URLLibInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from werkzeug.serving import make_server

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)

FalconInstrumentor().instrument()
Jinja2Instrumentor().instrument()

fast = FastAPI()
pages = flask.Flask("pages")
TEMPLATE = jinja2.Template("Hello {{ name }}")


@fast.get("/items/{number}")
def item(number: int) -> dict[str, int]:
    return {"number": 1 // number}


@pages.route("/pages/<int:number>")
def page(number: int) -> str:
    return TEMPLATE.render(name=number)


class Thing:
    def on_get(self, request, response, number) -> None:
        response.text = number


class Quiet(WSGIRequestHandler):
    def log_message(self, *_) -> None:
        pass


def in_thread(target) -> None:
    threading.Thread(target=target, daemon=True).start()


def serve_asgi(app) -> int:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    in_thread(server.run)
    while not server.started:
        time.sleep(0.01)
    return server.servers[0].sockets[0].getsockname()[1]


async def with_aiohttp(urls) -> None:
    async with aiohttp.ClientSession() as session:
        for url in urls:
            await (await session.get(url)).read()


def main() -> None:
    starry = Starlette(routes=[Route("/stars/{name}", lambda request: PlainTextResponse("x"))])
    things = falcon.App()
    things.add_route("/things/{number}", Thing())
    FastAPIInstrumentor.instrument_app(fast)
    StarletteInstrumentor.instrument_app(starry)
    FlaskInstrumentor().instrument_app(pages)
    engine = sqlalchemy.create_engine("sqlite:///:memory:")
    SQLAlchemyInstrumentor().instrument(engine=engine)
    for instrumentor in (
        *(AioHttpClientInstrumentor, HTTPXClientInstrumentor, RequestsInstrumentor, SQLite3Instrumentor),
        *(URLLibInstrumentor, URLLib3Instrumentor),
    ):
        instrumentor().instrument()

    pages_server = make_server("127.0.0.1", 0, pages, threaded=True)
    things_server = make_wsgi_server("127.0.0.1", 0, things, handler_class=Quiet)
    in_thread(pages_server.serve_forever)
    in_thread(things_server.serve_forever)
    places = (
        f"{serve_asgi(fast)}/items/1?size=2",
        f"{serve_asgi(starry)}/stars/sun",
        f"{pages_server.port}/pages/7",
        f"{things_server.server_port}/things/9",
        f"{pages_server.port}/nothing",
    )
    urls = [f"http://127.0.0.1:{place}" for place in places]
    pool = urllib3.PoolManager()
    for url in urls:
        requests.get(url)
        httpx.get(url)
        pool.request("GET", url)
        try:
            urllib.request.urlopen(url).read()
        except urllib.request.HTTPError as error:
            error.close()
    asyncio.run(with_aiohttp(urls))
    requests.get(urls[0].replace("items/1", "items/0"))
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("SELECT 1"))
    with sqlite3.connect(":memory:") as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE orders (id INTEGER)")
        cursor.execute("SELECT id FROM orders")
    print(json.dumps([as_dict(span) for span in exporter.get_finished_spans()]))


def as_dict(span):
    scope = span.instrumentation_scope
    return {
        "scope": scope.name,
        "name": span.name,
        "kind": span.kind.value,
        "attributes": dict(span.attributes),
        "events": [dict(event.attributes) for event in span.events],
    }


main()
