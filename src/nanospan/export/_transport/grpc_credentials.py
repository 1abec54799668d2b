"""Channel credentials of the files that the environment names. Import it only where grpcio is installed."""

from __future__ import annotations

import grpc

from nanospan.export._settings.environment import resolve_file
from nanospan.export._settings.tls import TlsFiles, make_context, usable_files
from nanospan.export._settings.watched_files import WatchedFiles

__all__ = ["environment_credentials", "file_credentials"]


def environment_credentials() -> WatchedFiles[grpc.ChannelCredentials]:
    """Credentials of the CERTIFICATE, CLIENT_KEY and CLIENT_CERTIFICATE variables."""
    certificate = resolve_file(None, "", "CLIENT_CERTIFICATE")
    key = resolve_file(None, "", "CLIENT_KEY")
    if (certificate is None) != (key is None) and (only := certificate or key):
        only.refuse("is one half of a client key and certificate")
        certificate = key = None
    return file_credentials(TlsFiles(resolve_file(None, "", "CERTIFICATE"), key, certificate))


def file_credentials(files: TlsFiles) -> WatchedFiles[grpc.ChannelCredentials]:
    """Credentials of what ``files`` hold at each use. Raises ValueError for an unusable file in an argument."""
    files = usable_files(files)
    return WatchedFiles(files.paths, lambda: _make(files))


def _make(files: TlsFiles) -> grpc.ChannelCredentials:
    contents = _read(files)
    # grpcio takes any bytes, and each handshake fails then. The check reads the files again, hence the comparison.
    make_context(files)
    if _read(files) != contents:
        raise ValueError(f"{' and '.join(files.paths)} changed while they were read")
    authorities, key, certificate = contents
    return grpc.ssl_channel_credentials(authorities, key, certificate)


def _read(files: TlsFiles) -> list[bytes | None]:
    contents: list[bytes | None] = []
    for file in files:
        if file is None:
            contents.append(None)
            continue
        with open(file.path, "rb") as stream:
            contents.append(stream.read())
    return contents
