"""The provider that was configured for the program gives way to one that the program sets itself.

The API takes the first provider and refuses later ones. Under `nanospan run` the first is the default, and the program means
its own, with its exporters. Tracers that instrumentations have got from the default then start spans of the program's
provider.
"""

from __future__ import annotations

from typing import Any

from opentelemetry import trace

from nanospan._compat.sdk import allow_another_provider, global_tracer_provider, handed_out_tracers

__all__ = ["give_way_to_the_programs"]


def give_way_to_the_programs() -> None:
    """Let the next call of ``set_tracer_provider`` replace the global provider, if there is one."""
    default: Any = global_tracer_provider()
    if default is None:
        return
    set_provider = trace.set_tracer_provider

    def set_tracer_provider(tracer_provider: trace.TracerProvider) -> None:
        """Sets the current global TracerProvider; the one of `nanospan run` gives way to it, any other does not."""
        if global_tracer_provider() is default and tracer_provider is not default:
            allow_another_provider()
            set_provider(tracer_provider)
            _redirect(default, tracer_provider)
        else:
            set_provider(tracer_provider)

    trace.set_tracer_provider = set_tracer_provider


def _redirect(default: Any, provider: trace.TracerProvider) -> None:
    for scope, tracer in list(handed_out_tracers(default).items()):
        real = provider.get_tracer(scope.name, scope.version, scope.schema_url, scope.attributes)
        tracer.start_span = real.start_span
        tracer.start_as_current_span = real.start_as_current_span
    default.get_tracer = provider.get_tracer
