"""The SDK's configuration from variables: its private names, and what is registered for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk import environment_variables as variables
from opentelemetry.sdk.trace.sampling import Sampler

from nanospan._compat.parts import SDK_RELEASE, missing_names

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "CONFIG_FILE",
    "PROCESSOR_IS_ARGUMENT",
    "READS_FILES",
    "foreign_id_generator",
    "foreign_sampler",
    "initialize_components",
    "registered",
    "registered_names",
    "sdk_configurator",
    "tracing_built_with",
]

CONFIG_FILE = "OTEL_CONFIG_FILE"
READS_FILES = hasattr(variables, CONFIG_FILE)
"""Whether the SDK reads the file that the variable names: from 1.43 on."""


def sdk_configurator() -> Any:
    """The base class of configurators. The import is slow: it loads metrics and logs as well."""
    from opentelemetry.sdk import _configuration

    return getattr(_configuration, "_OTelSDKConfigurator", _OwnBase)


class _OwnBase:
    """In place of the SDK's base class, in a release that has moved it."""

    def configure(self, **arguments: Any) -> None:
        self._configure(**arguments)

    def _configure(self, **arguments: Any) -> None:
        initialize_components(**arguments)


PROCESSOR_IS_ARGUMENT = SDK_RELEASE >= (1, 40)
"""Whether the class of the processor is an argument of the SDK's configuration; before 1.40 it is a name of its module."""


def tracing_built_with(
    provider: type,
    exporter_names: Callable[[str], list[str]],
    failed: Callable[[str, Exception], None],
    unusable: Collection[str] = (),
    processor: type | None = None,
) -> AbstractContextManager[None]:
    """A context in which the SDK's configuration instantiates ``provider`` as its tracer provider.

    And ``processor``, if it is given, as the processor of each exporter, where it takes no argument for that.
    It loads the entry points that ``exporter_names`` returns for a signal. If it cannot configure metrics or logs, it calls
    ``failed`` and goes on. Its logs do not see the variables ``unusable``. Global names of its modules are replaced inside
    the context, because no argument of its functions reaches them. A copy of these functions would need a dozen private
    names, and would miss additions of later releases.

    Raises LookupError if the installed SDK lacks the names; nothing is replaced then.
    """
    if missing := missing_names("configuration"):
        raise LookupError(f"{missing[0].owner} has no {missing[0].name} in the installed release")
    from opentelemetry.sdk import _configuration
    from opentelemetry.sdk._logs import _internal

    usable = {name: value for name, value in os.environ.items() if name not in unusable}

    def alone(signal: str, initialize: Callable[..., None]) -> Callable[..., None]:
        def initialize_alone(*arguments: Any, **named: Any) -> None:
            try:
                with _with_names(_internal, {"environ": usable}):
                    initialize(*arguments, **named)
            except Exception as error:
                failed(signal, error)

        return initialize_alone

    return _with_names(
        _configuration,
        {
            "TracerProvider": provider,
            "_get_exporter_names": exporter_names,
            "_init_logging": alone("logs", _configuration._init_logging),
            "_init_metrics": alone("metrics", _configuration._init_metrics),
            **({} if PROCESSOR_IS_ARGUMENT or processor is None else {"BatchSpanProcessor": processor}),
        },
    )


@contextmanager
def _with_names(module: Any, names: Mapping[str, Any]) -> Iterator[None]:
    before = {name: getattr(module, name) for name in names}
    vars(module).update(names)
    try:
        yield
    finally:
        vars(module).update(before)


def initialize_components(**arguments: Any) -> None:
    """The SDK's configuration from variables, whether or not one names a configuration file."""
    from opentelemetry.sdk import _configuration

    _configuration._initialize_components(**arguments)


def foreign_sampler(name: str) -> Sampler | None:
    """The sampler that another package registers under this name; None, after the SDK's warning, if it fails."""
    from opentelemetry.sdk import _configuration

    return _configuration._import_sampler(name)


def foreign_id_generator(name: str) -> Any:
    """The id generator that another package registers under this name. Raises what it raises, or RuntimeError."""
    from opentelemetry.sdk import _configuration

    return _configuration._import_id_generator(name)


def registered(group: str, name: str) -> EntryPoint | None:
    """The entry point of that name, or else of the name in lower case."""
    from importlib.metadata import entry_points  # not for every `import nanospan`

    for one in dict.fromkeys((name, name.lower())):
        if found := next(iter(entry_points(group=group, name=one)), None):
            return found
    return None


def registered_names(group: str) -> set[str]:
    from importlib.metadata import entry_points

    return {entry.name for entry in entry_points(group=group)}
