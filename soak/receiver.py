"""A receiver of OTLP over HTTP and gRPC that fails by a seeded schedule and writes down all that it gets and says.

    python soak/receiver.py --folder records --seed 1 [--calm]

Prints its ports as a line of JSON; ends when its standard input does, and prints how often each fault struck.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # for the scripted servers of support.receivers

from faults import Schedule
from http_side import HttpSide
from journal import Journal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calm", action="store_true", help="acknowledge everything")
    arguments = parser.parse_args()
    # Here: with the environment that the driver has set.
    from grpc_side import GrpcSide

    journal = Journal(arguments.folder / "receiver.jsonl")
    schedule = Schedule(arguments.seed, arguments.calm)
    sides = (HttpSide(journal, schedule), GrpcSide(journal, schedule))
    print(json.dumps({"http": sides[0].port, "grpc": sides[1].port}), flush=True)
    sys.stdin.read()
    for side in sides:
        side.stop()
    print(json.dumps(dict(sorted(schedule.struck.items()))), flush=True)


if __name__ == "__main__":
    main()
