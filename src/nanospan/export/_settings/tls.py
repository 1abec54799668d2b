"""The certificates of the exporters: which files they are, whether they can be used, and the TLS context made of them."""

from __future__ import annotations

import os
import ssl
from typing import NamedTuple

from nanospan._common.environment import variable_text
from nanospan.export._settings.environment import TlsFile
from nanospan.export._settings.watched_files import WatchedFiles

__all__ = ["TlsFiles", "describe_tls_error", "usable_files", "watched_context"]

_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class TlsFiles(NamedTuple):
    """The files with the trusted authorities, the client's private key and its certificate chain."""

    authorities: TlsFile | None
    key: TlsFile | None
    certificate: TlsFile | None

    @property
    def paths(self) -> list[str]:
        return [file.path for file in self if file is not None]


def usable_files(files: TlsFiles) -> TlsFiles:
    """``files`` without those that cannot be used: ValueError if an argument names one, else a warning."""
    authorities, key, certificate = files
    if authorities is not None:
        try:
            _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), authorities)
        except (OSError, ValueError) as error:
            authorities.refuse(f"holds no usable CA certificates ({describe_tls_error(error)})")
            authorities = None
    if certificate is not None:
        try:
            _identify(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), key, certificate)
        except (OSError, ValueError) as error:
            (key or certificate).refuse(f"is no usable client key and certificate ({describe_tls_error(error)})")
            key = certificate = None
    elif key is not None:
        key.refuse("is a client key without a client certificate")
        key = None
    return TlsFiles(authorities, key, certificate)


def watched_context(files: TlsFiles) -> WatchedFiles[ssl.SSLContext]:
    """A verifying TLS client context for what ``files`` hold at each handshake.

    Without authorities it trusts the bundle in ``REQUESTS_CA_BUNDLE`` or ``CURL_CA_BUNDLE``, as the official exporter does,
    else the system's. Raises ValueError for an unusable file in an argument.
    """
    if files.authorities is None:
        bundles = (TlsFile(variable_text(name), name, False) for name in _BUNDLE_VARIABLES)
        files = files._replace(authorities=next((bundle for bundle in bundles if bundle.path), None))
    files = usable_files(files)
    paths = files.paths
    if files.authorities is None:
        system = ssl.get_default_verify_paths()
        paths += [path for path in (system.cafile, system.capath) if path]
    return WatchedFiles(paths, lambda: make_context(files))


def make_context(files: TlsFiles) -> ssl.SSLContext:
    """A verifying TLS client context of ``files``. Raises ValueError if they cannot be used now."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if files.authorities is None:
            context.load_default_certs()
        else:
            _trust(context, files.authorities)
        if files.certificate is not None:
            _identify(context, files.key, files.certificate)
    except (OSError, ValueError) as error:
        names = " and ".join(f"{file.named_by} ({file.path})" for file in files if file is not None)
        raise ValueError(f"{names or 'The CA certificates of the system'}: {describe_tls_error(error)}") from error
    return context


def _trust(context: ssl.SSLContext, authorities: TlsFile) -> None:
    if os.path.isdir(authorities.path):
        context.load_verify_locations(capath=authorities.path)
    else:
        context.load_verify_locations(cafile=authorities.path)


def _identify(context: ssl.SSLContext, key: TlsFile | None, certificate: TlsFile) -> None:
    context.load_cert_chain(certificate.path, key.path if key is not None else None, _no_password)


def _no_password() -> str:
    # Without this function OpenSSL asks at the terminal and waits.
    raise ValueError("the key is encrypted, and no setting names its password")


def describe_tls_error(error: BaseException) -> str:
    """The error in words, without the place in OpenSSL's source."""
    if isinstance(error, ssl.SSLError) and error.reason:
        message = getattr(error, "verify_message", "") or ""
        return error.reason + (f": {message}" if message else "")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.partition(" (_ssl.c")[0]
    return str(error).partition(" (_ssl.c")[0]
