"""An agent with a tool. A model of the package's own answers, so that neither a network nor a key is needed."""

from __future__ import annotations

from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

agent = Agent(TestModel(), name="weather")


@agent.tool_plain
def temperature(city: str) -> float:
    """The temperature in a city, in degrees Celsius."""
    return 21.5


if __name__ == "__main__":
    Agent.instrument_all()
    print(agent.run_sync("How warm is it in Turin?").output)
