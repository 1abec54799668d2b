"""A Django project in one file, with one span for each request, by the API alone.

The span has ended when the answer is sent.
"""

from __future__ import annotations

import os
import sys

import witness  # noqa: F401
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import path
from opentelemetry import trace

print(f"loaded by {os.getpid()}", flush=True)

if not settings.configured:
    settings.configure(DEBUG=True, SECRET_KEY="of the tests", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])


def item(request, name):
    with trace.get_tracer("app").start_as_current_span(f"GET /{name}"):
        return HttpResponse(str(os.getpid()))


urlpatterns = [path("<name>", item)]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
