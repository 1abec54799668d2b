"""What W3C Trace Context, level 1 and 2, says of headers: whether the trace goes on, and what is left of the trace state."""

from __future__ import annotations

from dataclasses import dataclass, field

TRACE, SPAN = "12345678901234567890123456789012", "1234567890123456"
SAMPLED = f"00-{TRACE}-{SPAN}-01"


@dataclass(frozen=True)
class Case:
    """Headers of a request, in their order, and what must become of them."""

    headers: list[tuple[str, str]]
    continues: bool
    """Whether requests that follow carry on the trace; else they are of a new one, without the trace state."""
    members: list[tuple[str, str]] = field(default_factory=list)
    """The trace state of requests that follow, the leftmost member first."""
    flags: int | None = None
    """The flags of requests that follow; None: any."""
    differs: str = ""
    """What the API's propagator does instead, if not the same."""


def parent(name: str, *values: str, continues: bool, differs: str = "") -> tuple[str, Case]:
    return f"traceparent: {name}", Case([("traceparent", value) for value in values], continues, differs=differs)


def state(name: str, *headers: str, members: str = "", differs: str = "") -> tuple[str, Case]:
    pairs = [(key, value) for key, _, value in (member.partition("=") for member in members.split(",") if member)]
    given = [("traceparent", SAMPLED), *(("tracestate", header) for header in headers)]
    return f"tracestate: {name}", Case(given, True, pairs, differs=differs)


FIRST = "restarts the trace where two contradict each other"
DUPLICATE = "drops the whole state"
LEVEL_1 = "checks keys by level 1, and drops the whole state"

ALL_OF_A_KEY = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
ALL_OF_A_VALUE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in ",=")
MANY = [f"bar{number:02}={number:02}" for number in range(1, 34)]

CASES = dict(
    [
        ("no headers", Case([], False)),
        ("random flag is kept", Case([("traceparent", f"00-{TRACE}-{SPAN}-03")], True, flags=3)),
        ("random flag is kept, not sampled", Case([("traceparent", f"00-{TRACE}-{SPAN}-02")], True, flags=2)),
        ("random flag stays unset", Case([("traceparent", f"00-{TRACE}-{SPAN}-01")], True, flags=1)),
        ("flags that no level defines are cleared", Case([("traceparent", f"00-{TRACE}-{SPAN}-fd")], True, flags=1)),
        ("a new trace id is random", Case([("traceparent", "malformed")], False, flags=3)),
        parent("alone", SAMPLED, continues=True),
        parent("not sampled", f"00-{TRACE}-{SPAN}-00", continues=True),
        parent("twice, different", f"00-{TRACE[:-1]}1-{SPAN}-01", SAMPLED, continues=False, differs="takes the first"),
        parent("twice, equal", SAMPLED, SAMPLED, continues=False, differs="takes the first"),
        parent("twice, the first empty", "", SAMPLED, continues=False),
        parent("twice, the second empty", SAMPLED, "", continues=False, differs="takes the first"),
        parent("thrice", SAMPLED, SAMPLED, SAMPLED, continues=False, differs="takes the first"),
        *(
            (f"traceparent: named {name}", Case([(name, SAMPLED)], name.lower() == "traceparent"))
            for name in ("trace-parent", "trace.parent", "TraceParent", "TrAcEpArEnT", "TRACEPARENT")
        ),
        parent("version 00 with more", f"{SAMPLED}-what-the-future-will-be-like", continues=False),
        parent("version 00 with a dot", f"{SAMPLED}.", continues=False),
        parent("version cc", f"cc-{TRACE}-{SPAN}-01", continues=True),
        parent("version cc with more", f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", continues=True),
        parent("version cc with a dot", f"cc-{TRACE}-{SPAN}-01.what-the-future", continues=False),
        parent("version cc with longer flags", f"cc-{TRACE}-{SPAN}-011", continues=False),
        parent("version fe", f"fe-{TRACE}-{SPAN}-01", continues=True),
        parent("version ff", f"ff-{TRACE}-{SPAN}-01", continues=False),
        *(
            parent(f"version {version!r}", f"{version}-{TRACE}-{SPAN}-01", continues=False)
            for version in (".0", "0.", "000", "0000", "0", "", "0A", "FE")
        ),
        *(
            parent(f"trace id {trace_id!r}", f"00-{trace_id}-{SPAN}-01", continues=False)
            for trace_id in (*("0" * 32, f".{TRACE[1:]}", f"{TRACE[:-1]}.", f"{TRACE}3", TRACE[:-1], f"{TRACE[:-1]}A", ""),)
        ),
        *(
            parent(f"parent id {span_id!r}", f"00-{TRACE}-{span_id}-01", continues=False)
            for span_id in ("0" * 16, f".{SPAN[1:]}", f"{SPAN[:-1]}.", f"{SPAN}7", SPAN[:-1], f"{SPAN[:-1]}B", "")
        ),
        *(
            parent(f"flags {flags!r}", f"00-{TRACE}-{SPAN}-{flags}", continues=False)
            for flags in (".0", "0.", "001", "1", "", "0A")
        ),
        *(
            parent(f"blanks {before!r} {after!r}", f"{before}{SAMPLED}{after}", continues=True)
            for before, after in ((" ", ""), ("\t", ""), ("", " "), ("", "\t"), ("\t ", " \t"))
        ),
        ("tracestate: alone", Case([("tracestate", "foo=1,bar=2")], False)),
        ("tracestate: with a malformed traceparent", Case([("traceparent", "malformed"), ("tracestate", "foo=1")], False)),
        state("with its traceparent", "foo=1,bar=2", members="foo=1,bar=2"),
        *(
            (
                f"tracestate: named {name}",
                Case([("traceparent", SAMPLED), (name, "foo=1")], True, [("foo", "1")] * (name.lower() == "tracestate")),
            )
            for name in ("trace-state", "trace.state", "TraceState", "TrAcEsTaTe", "TRACESTATE")
        ),
        state("empty", ""),
        state("an empty one last", "foo=1", "", members="foo=1"),
        state("an empty one first", "", "foo=1", members="foo=1"),
        state("blank members", "foo=1, ,\t,,bar=2,", members="foo=1,bar=2"),
        state("several", "foo=1,bar=2", "rojo=1,congo=2", "baz=3", members="foo=1,bar=2,rojo=1,congo=2,baz=3"),
        state("equal members", "foo=1,foo=1", members="foo=1", differs=DUPLICATE),
        state("a key twice", "foo=1,bar=3,foo=2", members="foo=1,bar=3", differs=DUPLICATE),
        state("equal members in two", "foo=1", "foo=1", members="foo=1", differs=DUPLICATE),
        state("a key in two", "foo=1", "foo=2", members="foo=1", differs=DUPLICATE),
        (
            "tracestate: every character",
            Case(
                [("traceparent", SAMPLED), ("tracestate", f"{ALL_OF_A_KEY}={ALL_OF_A_VALUE}")],
                True,
                [(ALL_OF_A_KEY, ALL_OF_A_VALUE)],
            ),
        ),
        (
            "tracestate: every character, of a tenant",
            Case(
                [("traceparent", SAMPLED), ("tracestate", f"{ALL_OF_A_KEY}@a-z0-9_-*/={ALL_OF_A_VALUE}")],
                True,
                [(f"{ALL_OF_A_KEY}@a-z0-9_-*/", ALL_OF_A_VALUE)],
            ),
        ),
        *(
            state(f"blanks {header!r}", header, members="foo=1,bar=2" if "bar" in header else "foo=1")
            for header in (
                "foo=1 \t , \t bar=2",
                "foo=1\t \t,\t \tbar=2",
                " foo=1",
                "\tfoo=1",
                "foo=1 ",
                "foo=1\t",
                "\t foo=1 \t",
            )
        ),
        state("a space before the value", "foo= 1", members="foo= 1"),
        *(
            state(f"malformed {header!r}", header)
            for header in (
                *(
                    "foo =1",
                    "FOO=1",
                    "foo.bar=1",
                    "@foo=1,bar=2",
                    "_foo=1",
                    "foo=bar=baz",
                    "foo=,bar=3",
                    "=1",
                    "foo",
                    "bar=1,foo",
                ),
                *("f\xf6o=1", "foo=\xf6"),
            )
        ),
        *(
            state(f"key {key!r}", f"{key}=1,bar=2", members=f"{key}=1,bar=2", differs=LEVEL_1)
            for key in ("foo@", "foo@@bar", "foo@bar@baz", "1foo", "1", "t" * 242 + "@v", "t@" + "v" * 15, "t@1")
        ),
        state("key of a tenant", "1foo@bar=1", members="1foo@bar=1"),
        state("longest key", "foo=1", "z" * 256 + "=1", members="foo=1," + "z" * 256 + "=1"),
        state("longest key of a tenant", "t" * 241 + "@" + "v" * 14 + "=1", members="t" * 241 + "@" + "v" * 14 + "=1"),
        state("key too long", "foo=1", "z" * 257 + "=1"),
        state("longest value", "foo=" + "v" * 256, members="foo=" + "v" * 256),
        state("value too long", "bar=1", "foo=" + "v" * 257),
        state("32 members", ",".join(MANY[:10]), ",".join(MANY[10:20]), ",".join(MANY[20:32]), members=",".join(MANY[:32])),
        state("33 members", ",".join(MANY[:10]), ",".join(MANY[10:20]), ",".join(MANY[20:])),
        state("32 members and empty ones", ",".join(MANY[:32]) + ",,", "", members=",".join(MANY[:32])),
    ]
)
