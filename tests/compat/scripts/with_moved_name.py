"""A program that traces with a release of OpenTelemetry in which one private name has been moved.

    with_moved_name.py NAME SCENARIO ENDPOINT [OWNER]

The name is replaced in the sources of all packages of OpenTelemetry as they are imported, as a release that renames it does
it. With OWNER, a module, only there: for a name that is public elsewhere. Two spans are sent to ENDPOINT. Prints what
nanospan logs, as a JSON list.
"""

from __future__ import annotations

import ast
import json
import logging
import re
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from typing import Any

NAME, SCENARIO, ENDPOINT = sys.argv[1:4]
OWNER = sys.argv[4] if len(sys.argv) > 4 else None
MOVED = f"_moved{NAME}"
WORD = re.compile(rf"(?<!\w){NAME}\b(?!\s+import\b)")


class Renamed(ast.NodeTransformer):
    """The global name of a module under another one."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        for alias in node.names:
            if alias.name == NAME:
                alias.asname = MOVED
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = MOVED if node.id == NAME else node.id
        return node


class Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> Any:
        if OWNER not in (None, fullname):
            return super().get_code(fullname)
        source = self.get_data(self.path).decode()
        if not WORD.search(source):
            return super().get_code(fullname)
        if OWNER is None:
            return compile(WORD.sub(MOVED, source), self.path, "exec", dont_inherit=True)
        tree = ast.fix_missing_locations(Renamed().visit(ast.parse(source)))
        return compile(tree, self.path, "exec", dont_inherit=True)


class Finder:
    @staticmethod
    def find_spec(fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if not fullname.startswith("opentelemetry."):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


class Said(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] == "nanospan":
            self.lines.append(record.getMessage())


def two_spans(tracer: Any) -> None:
    with tracer.start_as_current_span("parent", attributes={"number": 1, "text": "t"}) as parent:
        parent.add_event("event", {"a": 2})
        with tracer.start_as_current_span("child") as child:
            child.set_attribute("list", [1, 2])


def main() -> None:
    sys.meta_path.insert(0, Finder())
    said = Said()
    logging.getLogger().addHandler(said)
    from opentelemetry import trace

    import nanospan

    if SCENARIO in ("processor", "http", "grpc"):
        provider = nanospan.TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(nanospan.BatchSpanProcessor(exporter()))
        two_spans(provider.get_tracer("t"))
    else:
        if SCENARIO == "run":
            from nanospan._bootstrap.start import start

            start()
        else:
            from nanospan.configurator import Configurator

            Configurator().configure()
        two_spans(trace.get_tracer("t"))
        provider = trace.get_tracer_provider()
    provider.shutdown()
    print(json.dumps(said.lines))


def exporter() -> Any:
    if SCENARIO == "processor":
        from nanospan.export.http import OTLPSpanExporter as Own

        return Own(endpoint=ENDPOINT)
    if SCENARIO == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as OverGrpc

        return OverGrpc(ENDPOINT, insecure=True)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as OverHttp

    return OverHttp(ENDPOINT)


main()
