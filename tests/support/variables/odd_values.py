"""The environment variables of tracing, and ten odd forms of a value."""

from __future__ import annotations

from dataclasses import dataclass, field

from opentelemetry.sdk import environment_variables as sdk

EMPTY, BLANK, QUOTED, UPPER, NEGATIVE = "empty", "blank", "quoted", "upper case", "negative"
HUGE, FLOAT, UNIT, ENCODED, NON_ASCII = "huge", "float", "unit", "percent-encoded", "non-ASCII"
FORMS = (EMPTY, BLANK, QUOTED, UPPER, NEGATIVE, HUGE, FLOAT, UNIT, ENCODED, NON_ASCII)


def odd(good: str, form: str) -> str:
    """``good``, or a value where there was to be one like it, in an odd form."""
    return {
        EMPTY: "",
        BLANK: " \t ",
        QUOTED: f'"{good}"',
        UPPER: good.upper(),
        NEGATIVE: "-1",
        HUGE: "9" * 25,
        FLOAT: "1.5",
        UNIT: "10%",
        ENCODED: "".join(f"%{ord(character):02X}" for character in good),
        NON_ASCII: "zwölf €",
    }[form]


@dataclass(frozen=True)
class Variable:
    """A variable, a good value, and the forms that mean something: those of no other value are as if it were unset."""

    name: str
    good: str
    valid: tuple[str, ...] = ()
    """Forms that are values, taken without a word."""
    used: tuple[str, ...] = ()
    """Forms that are used, with a warning that says as what."""
    hinted: bool = True
    """Whether the warning says what the value was meant to be; not of secrets and of files."""
    elsewhere: bool = False
    """Whether a good value keeps the span from the receiver."""
    given: dict[str, str] = field(default_factory=dict)
    """Other variables that have it read."""

    @property
    def id(self) -> str:
        return "-".join([self.name, *self.given.values()])


COUNTS = [
    sdk.OTEL_BSP_MAX_QUEUE_SIZE,
    sdk.OTEL_BSP_SCHEDULE_DELAY,
    sdk.OTEL_BSP_EXPORT_TIMEOUT,
    sdk.OTEL_BSP_MAX_EXPORT_BATCH_SIZE,
    sdk.OTEL_ATTRIBUTE_COUNT_LIMIT,
    sdk.OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT,
    sdk.OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT,
    sdk.OTEL_LINK_ATTRIBUTE_COUNT_LIMIT,
    sdk.OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT,
    sdk.OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT,
    sdk.OTEL_SPAN_EVENT_COUNT_LIMIT,
    sdk.OTEL_SPAN_LINK_COUNT_LIMIT,
]
PREFIXES = ("OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_")
FILES = ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE")
RULES = '{"rules": [], "default": {"always_off": {}}}'
NUMBER = (UPPER,)
"""A number is one in upper case."""

SAMPLERS = {
    "traceidratio": ("0.5", NUMBER),
    "parentbased_traceidratio": ("0.5", NUMBER),
    "nanospan_probability": ("0.5", NUMBER),
    "nanospan_rate_limited": ("7", (UPPER, FLOAT)),
    "nanospan_adaptive": ("7", (UPPER, FLOAT)),
    "nanospan_overhead_budget": ("0.5", NUMBER),
    "nanospan_rule_based": (RULES, ()),
    "nanospan_always_record": ('{"root": {"always_off": {}}}', ()),
    "nanospan_links_based": ('{"root": {"always_off": {}}}', ()),
}
"""An argument of each, and the forms that are one."""

EXPORTER = [
    *(Variable(prefix + name, "/nowhere.pem", hinted=False) for prefix in PREFIXES for name in FILES),
    *(Variable(prefix + "ENDPOINT", "http://127.0.0.1:9", valid=(UPPER,), elsewhere=True) for prefix in PREFIXES),
    *(Variable(prefix + "INSECURE", "true", valid=(UPPER,)) for prefix in PREFIXES),
    *(Variable(prefix + "HEADERS", "api-key=secret", valid=(UPPER,), hinted=False) for prefix in PREFIXES),
    *(Variable(prefix + "COMPRESSION", "gzip", valid=(UPPER,)) for prefix in PREFIXES),
    *(Variable(prefix + "TIMEOUT", "5", valid=(UPPER, FLOAT), used=(HUGE,)) for prefix in PREFIXES),
    *(Variable(prefix + "PROTOCOL", "grpc", valid=(UPPER,), elsewhere=True) for prefix in PREFIXES),
    Variable("OTEL_PYTHON_EXPORTER_OTLP_GRPC_RETRYABLE_ERROR_CODES", "unavailable", valid=(UPPER,)),
]
SELECTION = [
    *(
        Variable(f"OTEL_{signal}_EXPORTER", "console", valid=(UPPER,), elsewhere=signal == "TRACES")
        for signal in ("TRACES", "METRICS", "LOGS")
    ),
    Variable("OTEL_PYTHON_ID_GENERATOR", "nanospan", valid=(UPPER,)),
    Variable("OTEL_CONFIG_FILE", "/nowhere.yaml", hinted=False),
]
PROVIDER = [
    Variable(sdk.OTEL_SDK_DISABLED, "false", valid=(UPPER,)),
    Variable(sdk.OTEL_TRACES_SAMPLER, "always_off", valid=(UPPER,), elsewhere=True),
    Variable("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "false", valid=(UPPER,)),
    Variable("OTEL_PYTHON_NANOSPAN_CLOCK", "system", valid=(UPPER,)),
    Variable("OTEL_PYTHON_NANOSPAN_MAX_QUEUE_BYTES", "1048576", valid=(UPPER,)),
    *(Variable(name, "64", valid=(UPPER,)) for name in COUNTS),
    *(
        Variable(sdk.OTEL_TRACES_SAMPLER_ARG, good, valid, given={"OTEL_TRACES_SAMPLER": name}, elsewhere=True)
        for name, (good, valid) in SAMPLERS.items()
    ),
]
TEXTS = [
    # Any text is a service's name.
    Variable(sdk.OTEL_SERVICE_NAME, "shop", valid=(BLANK, *FORMS[2:])),
    Variable(sdk.OTEL_RESOURCE_ATTRIBUTES, "region=north", valid=(QUOTED, UPPER)),
    Variable(sdk.OTEL_LOG_LEVEL, "debug"),
]
PROPAGATORS = [Variable("OTEL_PROPAGATORS", "tracecontext,baggage", valid=(UPPER,))]
OF_METRICS_AND_LOGS = [
    Variable(name, "100")
    for name in (
        *("OTEL_BLRP_SCHEDULE_DELAY", "OTEL_BLRP_EXPORT_TIMEOUT", "OTEL_BLRP_MAX_QUEUE_SIZE"),
        *("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "OTEL_METRIC_EXPORT_INTERVAL", "OTEL_METRIC_EXPORT_TIMEOUT"),
        *("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
        "OTEL_METRICS_EXEMPLAR_FILTER",
    )
]
"""An odd one costs metrics or logs, and no traces."""

EVERY = [*PROVIDER, *EXPORTER, *SELECTION, *TEXTS, *PROPAGATORS]
