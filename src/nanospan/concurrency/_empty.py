"""Whether what starts the threads of a pool must do it in an empty Context.

They outlive the task that they are started for, and would keep its Context.
"""

from __future__ import annotations

import sys

__all__ = ["THREADS_INHERIT"]

THREADS_INHERIT = bool(getattr(sys.flags, "thread_inherit_context", False))
"""Whether a thread starts with a copy of its starter's context: by default on free-threaded CPython from 3.14 on."""
