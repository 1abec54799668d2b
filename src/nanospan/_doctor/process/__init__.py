"""The examination of another process: from outside by what Linux shows of it, and within on CPython 3.14."""
