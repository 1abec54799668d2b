"""Statements of the pages that have no test elsewhere."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from documents.blocks import ROOT, pages
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from support.accounting import ended_span

import nanospan
from nanospan.export.http import OTLPSpanExporter
from nanospan.processor import DropReason, PolicyStats, ProcessorDetail, ProcessorStats, TailStats
from nanospan.propagation import TraceContextTextMapPropagator
from nanospan.receiver import Receiver
from nanospan.sampling import ALWAYS_ON
from nanospan.tail import AlwaysSample, TailSampling

ENDPOINT = "http://127.0.0.1:9/v1/traces"


@pytest.mark.parametrize(
    ("exporter", "tail", "keys"),
    [
        (OTLPSpanExporter, None, {"queue_bytes", "values_repaired", "values_lost"}),
        (OTLPSpanExporter, TailSampling([AlwaysSample()]), {"tail", "values_repaired", "values_lost"}),
        (ConsoleSpanExporter, None, set()),
    ],
    ids=["bytes", "tail", "objects"],
)
def test_the_counts_are_those_of_the_page_and_of_the_types(
    exporter: type[SpanExporter], tail: TailSampling | None, keys: set[str]
) -> None:
    made = exporter(endpoint=ENDPOINT) if exporter is OTLPSpanExporter else exporter()
    processor = nanospan.BatchSpanProcessor(made, tail_sampling=tail)
    stats: Any = processor.stats()
    processor.shutdown()
    assert set(stats) == set(get_type_hints(ProcessorStats))
    assert set(stats["dropped"]) == set(get_args(DropReason))
    assert set(stats["detail"]) == keys <= set(get_type_hints(ProcessorDetail))
    if tail is not None:
        assert set(stats["detail"]["tail"]) == set(get_type_hints(TailStats))
        (policy,) = stats["detail"]["tail"]["policies"].values()
        assert set(policy) == set(get_type_hints(PolicyStats))
    page = ROOT / "docs" / "operations.md"
    if page.exists():
        text = page.read_text(encoding="utf-8")
        assert set(re.findall(r"^\| `dropped\.(\w+)` \|", text, re.MULTILINE)) == set(stats["dropped"])
        assert set(re.findall(r"^\| `(\w+)` \| (?!the variable)", text, re.MULTILINE)) == set(stats) - {"dropped", "detail"}


def test_a_provider_shows_its_sampler_and_processors() -> None:
    provider = nanospan.TracerProvider(sampler=ALWAYS_ON)
    processor = nanospan.BatchSpanProcessor(OTLPSpanExporter(ENDPOINT.replace("//", "//user:secret@")))
    provider.add_span_processor(processor)
    processor.on_end(ended_span(sampled=False))
    assert repr(provider) == (
        "<nanospan.TracerProvider sampler=ALWAYS_ON processors=[<nanospan.BatchSpanProcessor exporter="
        f"<nanospan.export.http.OTLPSpanExporter to {ENDPOINT}>: 1 ended, 0 queued, 0 dropped>]>"
    )
    provider.shutdown()
    assert "sampler=AlwaysOffSampler processors=[]" in repr(nanospan.TracerProvider(sampler=ALWAYS_OFF))


def test_every_other_public_object_shows_what_it_is() -> None:
    provider = nanospan.TracerProvider(shutdown_on_exit=False)
    assert repr(provider.get_tracer("shop", "1.2")) == "<nanospan.Tracer 'shop' 1.2>"
    assert repr(provider.get_tracer("shop")) == "<nanospan.Tracer 'shop'>"
    assert repr(provider.id_generator) == "RandomIdGenerator()"
    assert repr(TraceContextTextMapPropagator()) == "TraceContextTextMapPropagator()"
    with Receiver(grpc_port=None) as receiver:
        assert repr(receiver) == f"<nanospan.receiver.Receiver at {receiver.endpoint_http}: 0 spans>"
        assert repr(receiver.store) == "<nanospan.receiver.TraceStore: 0 spans, 0 traces kept>"


PROVIDER_OF_THE_API = """
from opentelemetry import trace
print(trace.get_tracer_provider())
"""


def test_the_variable_of_the_api_makes_a_provider_without_a_processor() -> None:
    """Nothing configures it: OTEL_PYTHON_CONFIGURATOR is the variable for that."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", PROVIDER_OF_THE_API],
        env=variables | {"OTEL_PYTHON_TRACER_PROVIDER": "nanospan"},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert re.match(r"<nanospan\.TracerProvider sampler=.* processors=\[\]>$", done.stdout)


def test_the_loggers_are_those_that_the_page_names() -> None:
    source = Path(nanospan.__file__).parent
    named = set()
    for path in source.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "logging.getLogger":
                named.add((path.relative_to(source).parts[0], ast.unparse(node.args[0])))
    # These configure loggers of other packages.
    others = {(room, name) for room, name in named if name != "__name__" and not name.startswith("'nanospan")}
    assert {name for room, name in others if room not in ("_bootstrap", "_compat", "cli")} == {"sdk.__name__"}


TEXT = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in pages()}
each_page = pytest.mark.parametrize("page", TEXT or [pytest.param("", marks=pytest.mark.skip)])


@pytest.fixture(scope="module")
def tests_there_are() -> str:
    """The names of all tests, and of the files that they stand in."""
    files = [
        path for folder in ("tests", "csrc/tests") for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".c")
    ]
    names = [name for path in files for name in re.findall(r"\btest_\w+", path.read_text(encoding="utf-8"))]
    return "\n".join({*names, *(path.name for path in files), *(path.stem for path in files)})


@each_page
def test_every_test_that_a_page_names_is_there(page: str, tests_there_are: str) -> None:
    named = set(re.findall(r"`(?:tests/[\w/]*/)?(test_\w+(?:\.(?:py|c))?)`", TEXT[page]))
    assert named - set(tests_there_are.split()) == set()


@each_page
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    named = set(re.findall(r"`((?:tests|csrc|benchmarks|scripts|soak|models|requirements|src|docs)/[\w./-]+)`", TEXT[page]))
    named = {name for name in named if "/build" not in name and "<" not in name}
    assert {name for name in named if not (ROOT / name).exists()} == set()


@each_page
def test_every_target_that_a_page_names_is_there(page: str) -> None:
    named = set(re.findall(r"(?:`|^    )make ([a-z][a-z0-9-]*)", TEXT[page], re.MULTILINE))
    targets = set(re.findall(r"^([a-z0-9.-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert named - targets == set()


@each_page
def test_every_page_is_linked_from_the_readme_or_from_its_folder(page: str) -> None:
    others = [
        (ROOT / other).parent / link
        for other, text in TEXT.items()
        if other != page
        for link in re.findall(r"\]\(([^)#\s]+)", text)
    ]
    assert page == "README.md" or (ROOT / page).resolve() in {link.resolve() for link in others}
