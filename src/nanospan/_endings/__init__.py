"""Ends of a process at which no exit handler runs: what is queued is sent first, with no line of code in the application."""

from __future__ import annotations

from nanospan._endings.immediate_exits import send_before_immediate_exits
from nanospan._endings.servers import send_before_servers_end
from nanospan._endings.unhandled_signals import send_before_unhandled_signals
from nanospan._endings.workers import send_before_workers_end

__all__ = ["send_before_every_end"]


def send_before_every_end() -> None:
    """Send the queued spans before a signal that nobody handles ends the process, before the calls that end it at once, when
    a known server shuts down, and before a known host stops the process."""
    send_before_unhandled_signals()
    send_before_immediate_exits()
    send_before_servers_end()
    send_before_workers_end()
