"""A Django application that names its settings itself and asks itself for a page: ``python django_app.py [instruments]``."""

from __future__ import annotations

import sys

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path


def page(request: HttpRequest, number: int) -> HttpResponse:
    return HttpResponse(str(number))


urlpatterns = [path("pages/<int:number>", page)]

if "instruments" in sys.argv:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["testserver"], MIDDLEWARE=[])
    from opentelemetry.instrumentation.django import DjangoInstrumentor

    DjangoInstrumentor().instrument(request_hook=lambda span, request: span.update_name("by the hook"))
else:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["testserver"], MIDDLEWARE=())
django.setup()
print(Client().get("/pages/5").content.decode(), Client().get("/pages/6").content.decode())
