"""Drives a Jupyter kernel as a notebook does: two cells, a restart, two cells, a shutdown."""

from __future__ import annotations

import os

from jupyter_client import KernelManager
from jupyter_client.blocking import BlockingKernelClient


def run_cell(client: BlockingKernelClient, number: int) -> None:
    reply = client.execute_interactive(f"import ledger; ledger.work({number})", timeout=60, allow_stdin=False)
    assert reply["content"]["status"] == "ok", reply


def connected(manager: KernelManager) -> BlockingKernelClient:
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    return client


if __name__ == "__main__":
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=dict(os.environ))
    client = connected(manager)
    run_cell(client, 0)
    run_cell(client, 1)
    client.stop_channels()
    manager.restart_kernel()
    client = connected(manager)
    run_cell(client, 2)
    run_cell(client, 3)
    client.stop_channels()
    manager.shutdown_kernel()
