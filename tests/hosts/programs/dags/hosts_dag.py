"""Two tasks, one after the other."""

from __future__ import annotations

from datetime import datetime

import ledger
from airflow.sdk import dag, task


@dag(dag_id="hosts", schedule=None, start_date=datetime(2024, 1, 1), catchup=False)
def hosts() -> None:
    @task
    def first() -> None:
        ledger.work(1)

    @task
    def second() -> None:
        ledger.work(2)

    first() >> second()


hosts()
