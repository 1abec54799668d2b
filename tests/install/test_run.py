"""`nanospan run`: programs that know nothing of nanospan, and their ends."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys

import pytest
from install.conftest import SCRIPTS, Command
from support.extra_packages import environment_with

ONE_SPAN = "from opentelemetry import trace\nwith trace.get_tracer('t').start_as_current_span('span'): pass\n"


def test_a_program_is_traced_and_its_exit_code_is_the_commands(command: Command) -> None:
    code, out, err = command.run("--", sys.executable, "-c", f"{ONE_SPAN}import sys; sys.exit(int(sys.argv[1]))", "5")
    assert (code, out, err) == (5, "", "")
    assert command.names() == ["span"]


def test_children_are_traced_too(command: Command) -> None:
    script = f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {ONE_SPAN!r}]))"
    assert command.run(sys.executable, "-c", script + "\n" + ONE_SPAN)[0] == 0
    assert command.names() == ["span"]


@pytest.mark.parametrize(("value", "carried"), [("true", True), ("", False), ("false", False)])
def test_threads_carry_the_context_where_a_variable_says_so(command: Command, value: str, carried: bool) -> None:
    script = (
        "from concurrent.futures import ThreadPoolExecutor as Pool\nfrom opentelemetry import trace\n"
        "with Pool(1) as pool, trace.get_tracer('t').start_as_current_span('span') as span:\n"
        "    print(pool.submit(trace.get_current_span).result() is span)\n"
    )
    code, out, err = command.run(sys.executable, "-c", script, OTEL_PYTHON_NANOSPAN_THREADS=value)
    assert (code, out, err) == (0, f"{carried}\n", "")


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ((), 2, "The command is missing"),
        (("--",), 2, "The command is missing"),
        (("--service", "x"), 2, "no options"),
        (("no-such-program",), 127, "no-such-program is not a program"),
        (("./text",), 126, "./text is not a program"),
        (("--help",), 0, "nanospan run gunicorn"),
    ],
)
def test_calls_that_cannot_run(command: Command, words: tuple[str, ...], code: int, sentence: str) -> None:
    (command.folder / "text").write_text("no program")
    found, out, err = command.run(*words)
    assert (found, "Traceback" in err) == (code, False)
    assert sentence in out + err


def test_it_needs_no_extra(command: Command) -> None:
    for name in ("click", "rich", "grpc"):
        (command.folder / f"{name}.py").write_text("raise ModuleNotFoundError(name=__name__)")
    assert command.run(sys.executable, "-c", ONE_SPAN, PYTHONPATH=str(command.folder))[:2] == (0, "")
    assert command.names() == ["span"]


def test_another_sitecustomize_runs(command: Command) -> None:
    (command.folder / "sitecustomize.py").write_text("import sys; sys.from_the_other = __file__")
    script = f"{ONE_SPAN}import sys, sitecustomize; print(sys.from_the_other == sitecustomize.__file__)"
    code, out, err = command.run(sys.executable, "-c", script, PYTHONPATH=str(command.folder))
    assert (code, out, err) == (0, "True\n", "")
    assert command.names() == ["span"]


@pytest.mark.parametrize(
    ("variables", "files"),
    [
        ({"OTEL_PYTHON_CONFIGURATOR": "no-such-configurator"}, {}),
        ({"OTEL_PROPAGATORS": "unknown"}, {}),
        ({"OTEL_TRACES_EXPORTER": "unknown"}, {}),
        ({}, {"opentelemetry.py": "raise ImportError('not for tracing')"}),
        ({}, {"opentelemetry.py": "raise RuntimeError('not for tracing')"}),
    ],
)
def test_a_start_that_fails_costs_the_tracing(command: Command, variables: dict[str, str], files: dict[str, str]) -> None:
    folder = command.folder / "path"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    # For the program only: the command itself imports nanospan too.
    shell = f'PYTHONPATH="$PYTHONPATH:{folder}" exec "$0" "$@"'
    code, out, err = command.run("sh", "-c", shell, sys.executable, "-c", "print('works')", **variables)
    assert (code, out) == (0, "works\n")
    assert "Traceback" not in err
    if files:
        assert re.fullmatch("nanospan: this program runs without tracing: .*\n", err)


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_PROPAGATORS": " "},
        {"OTEL_PROPAGATORS": "b4"},
        {"OTEL_PYTHON_CONFIGURATOR": " "},
        {"OTEL_CONFIG_FILE": " "},
        {"OTEL_PYTHON_TRACER_PROVIDER": " "},
        {"OTEL_PYTHON_TRACER_PROVIDER": "unknown"},
    ],
    ids=str,
)
def test_an_odd_variable_costs_nothing(command: Command, variables: dict[str, str]) -> None:
    code, out, err = command.run(sys.executable, "-c", f"import nanospan; nanospan.install(); {ONE_SPAN}", **variables)
    assert (code, out) == (0, "")
    assert "Traceback" not in err
    assert command.names() == ["span"]


def test_the_default_provider_gives_way_to_the_programs(command: Command) -> None:
    code, out, err = command.run(sys.executable, str(SCRIPTS / "own_provider.py"))
    assert code == 7, err
    assert out == "nanospan.trace inner:own outer:own\n"
    assert command.names() == ["before"]


@pytest.mark.parametrize(
    ("variables", "is_hidden"),
    [
        ({}, True),
        ({"OTEL_TRACES_EXPORTER": " none "}, True),
        ({"OTEL_PYTHON_CONFIGURATOR": "nanospan"}, True),
        ({"OTEL_SDK_DISABLED": "true"}, True),
        ({"OTEL_TRACES_EXPORTER": "none,otlp"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, False),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9"}, False),
        ({"OTEL_PYTHON_TRACER_PROVIDER": "sdk_tracer_provider"}, False),
    ],
    ids=str,
)
def test_packages_find_no_provider_unless_variables_say_where_spans_go(
    command: Command, variables: dict[str, str], is_hidden: bool
) -> None:
    """With no configuration the default serves, and packages construct their own, as without nanospan."""
    unset = {"OTEL_TRACES_EXPORTER": "", "OTEL_EXPORTER_OTLP_ENDPOINT": ""}
    code, out, err = command.run(sys.executable, str(SCRIPTS / "no_provider.py"), **unset | variables)
    assert code == 0, err
    is_disabled = "OTEL_SDK_DISABLED" in variables
    assert json.loads(out) == {
        "proxies": [is_hidden, is_hidden],
        "of the SDK": not is_hidden,
        "default": [] if is_disabled else ["before"],
        "doctor": "nanospan.TracerProvider",
        "unread": [],
        "own": [] if is_disabled else ["after", "late", "started"],
        "is own": True,
    }


@pytest.mark.parametrize(
    ("hooks", "used"),
    [
        ((), []),
        (("mine", "refused"), ["mine", "mine"]),
        (("", "refused"), ["default", "default"]),  # it asks for what it has
    ],
    ids=str,
)
def test_a_programs_first_call_of_instrument_is_not_refused(
    command: Command, request: pytest.FixtureRequest, hooks: tuple[str, ...], used: list[str]
) -> None:
    environment = environment_with(request.config, "opentelemetry-instrumentation")
    folder = command.folder / "path"
    (folder / "greeting-1.dist-info").mkdir(parents=True)
    (folder / "greeting.py").write_text((SCRIPTS / "greeting.py").read_text())
    (folder / "greeting-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: greeting\nVersion: 1\n")
    (folder / "greeting-1.dist-info" / "entry_points.txt").write_text(
        "[opentelemetry_instrumentor]\ngreeting = greeting:GreetingInstrumentor\n"
    )
    script = str(SCRIPTS / "instruments_itself.py")
    code, out, err = command.run(environment.python, script, *hooks, under=environment.python, PYTHONPATH=str(folder))
    assert (code, out.split()) == (0, ["default", "False", *used, str(bool(hooks))]), err
    assert ("already instrumented" in err) == ("refused" in hooks)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_nobody_handles_comes_after_the_spans(command: Command, number: signal.Signals) -> None:
    process = command.start(sys.executable, str(SCRIPTS / "waiting.py"), "none")
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (-number, "")
    assert command.names() == ["span"]


def test_a_signal_that_the_program_handles_is_the_programs(command: Command) -> None:
    process = command.start(sys.executable, str(SCRIPTS / "waiting.py"), "own")
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 3
    assert command.names() == ["span"]


def test_a_collector_that_hangs_holds_a_signal_up_for_seconds_only(command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = command.start(sys.executable, str(SCRIPTS / "waiting.py"), "none", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.terminate()
        process.communicate(timeout=25)  # 5 s, and what a busy machine adds
        assert process.returncode == -signal.SIGTERM


def test_with_the_command_of_the_instrumentations(command: Command, request: pytest.FixtureRequest) -> None:
    """OTEL_PYTHON_NANOSPAN_INSTALL, for a program that constructs the SDK's class; and both commands together."""
    environment = environment_with(request.config, "opentelemetry-instrumentation")
    script = "from opentelemetry.sdk.trace import TracerProvider; print(TracerProvider.__module__)"
    variables = {"OTEL_PYTHON_NANOSPAN_INSTALL": "true", "OTEL_PYTHON_CONFIGURATOR": "nanospan"}
    environment_variables = command.environment(variables)
    instrument = [str(environment.bin / "opentelemetry-instrument"), environment.python, "-c", script + "\n" + ONE_SPAN]
    alone = subprocess.run(instrument, env=environment_variables, capture_output=True, text=True, timeout=60)
    assert (alone.returncode, alone.stdout) == (0, "nanospan.trace\n"), alone.stderr
    assert command.names() == ["span"]
    code, out, err = command.run(*instrument, under=environment.python)
    assert (code, out) == (0, "nanospan.trace\n"), err
    assert command.names() == ["span", "span"]
