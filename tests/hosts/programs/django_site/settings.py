"""A project without a database, whose application is this folder."""

SECRET_KEY = "for tests only"
INSTALLED_APPS = ["django_site"]
