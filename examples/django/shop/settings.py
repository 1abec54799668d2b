"""Settings for development: no database, no templates."""

from __future__ import annotations

SECRET_KEY = "for development only"
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "shop.urls"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
