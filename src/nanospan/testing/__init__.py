"""Tests of an application's traces: the pytest fixture ``traces``, and the assertions behind it.

::

    def test_the_order_is_one_trace(traces):
        place_order()
        traces.assert_whole()
        traces.assert_linked("process orders", "send orders")

pytest finds the fixture by itself where nanospan is installed. A failure draws the tree of the spans.
"""

from __future__ import annotations

from nanospan.testing.traces import Traces
from nanospan.testing.wire import Transport, wire

__all__ = ["Traces", "Transport", "wire"]
