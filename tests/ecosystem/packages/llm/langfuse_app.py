"""Langfuse: `observe`, and the client's observations."""

from __future__ import annotations

import os

from langfuse import Langfuse, observe

client = Langfuse(
    public_key="public", secret_key="secret", base_url=os.environ["DESTINATION"], environment="testing", release="7"
)


@observe()
def inner(number: int) -> int:
    return number + 1


@observe(as_type="agent")
def outer(number: int) -> int:
    return inner(number) * 2


def work() -> None:
    outer(2)
    with client.start_as_current_observation(name="generation", as_type="generation", model="m") as generation:
        generation.update(output="answer", usage_details={"input": 2, "output": 1})


def finish() -> None:
    client.flush()
