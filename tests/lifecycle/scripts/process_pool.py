"""``process_pool.py``: a span for each task of a ProcessPoolExecutor, whose workers are forked."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from app import App

SPANS = 10
TASKS = 20

app = App()


def work(number: int) -> int:
    with app.tracer.start_as_current_span(f"task-{number}"):
        return number


if __name__ == "__main__":
    app.end_spans("parent", SPANS)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        assert list(pool.map(work, range(TASKS))) == list(range(TASKS))
