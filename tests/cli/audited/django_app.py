from __future__ import annotations

import os
from typing import Any

from outgoing import call_all

os.environ["DJANGO_SETTINGS_MODULE"] = __name__

ALLOWED_HOSTS = ["*"]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = __name__
SECRET_KEY = "of-a-test"

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402


def index(request: HttpRequest) -> HttpResponse:
    call_all(request.META["QUERY_STRING"], request.headers, request.body)
    return HttpResponse("ok")


urlpatterns: list[Any] = [path("", index)]

app = get_wsgi_application()
