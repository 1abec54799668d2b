"""What is common to the requests of SQS and SNS: entries of batches, refused sizes, and the address of the service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from nanospan.messaging._carriers.counts import count, log_failure
from nanospan.messaging._spans.sending import SendingBatch

__all__ = ["entries_of", "fail_for_entries", "last_part", "request_of", "send_batch", "send_or_without", "server_of"]

_REFUSED = ("InvalidParameterValue", "InvalidParameter", "BatchRequestTooLong", "MessageTooLong")
"""Codes of requests that are too large, and of others that are wrong: nothing has been sent."""

REQUEST_ID = "aws.request_id"

_PORTS = {"http": 80, "https": 443}

Request = dict[str, Any]


def last_part(text: object, separator: str) -> str | None:
    """The name of a queue in its URL, or of a topic in its ARN."""
    return text.rpartition(separator)[2] or None if isinstance(text, str) else None


def request_of(answer: Any) -> dict[str, Any]:
    """The attribute with the id of the request that was answered so. Never raises."""
    try:
        found = answer["ResponseMetadata"]["RequestId"]
    except Exception:  # the answer of a stub
        return {}
    return {REQUEST_ID: found} if isinstance(found, str) else {}


def server_of(client: Any) -> Callable[[], tuple[str | None, int | None]]:
    def server() -> tuple[str | None, int | None]:
        parts = urlsplit(client.meta.endpoint_url)
        return parts.hostname, parts.port or _PORTS.get(parts.scheme)

    return server


def _is_refused(error: object) -> bool:
    code = error.get("Code") if isinstance(error, Mapping) else None
    return isinstance(code, str) and code.endswith(_REFUSED)


def send_or_without(call: Callable[..., Any], args: Any, made: Request, given: Request) -> Any:
    """The answer to the request ``made``; to the ``given`` one if the service refuses what was added to it.

    The attributes count to the size of a message, the limit of which the queue alone knows.
    """
    try:
        return call(*args, **made)
    except Exception as error:
        response = getattr(error, "response", None)
        if made == given or not isinstance(response, Mapping) or not _is_refused(response.get("Error")):
            raise
    count("fields_left_out")
    return call(*args, **given)


def send_batch(call: Callable[..., Any], args: Any, made: Request, given: Request, name: str) -> Any:
    """As `send_or_without`, also where some of the entries in the argument ``name`` are refused alone."""
    answer = send_or_without(call, args, made, given)
    try:
        refused = {failed["Id"] for failed in answer.get("Failed", ()) if _is_refused(failed)}
        changed = {new["Id"] for new, old in zip(made[name], given[name], strict=True) if new != old}
        entries = [entry for entry in given[name] if entry["Id"] in refused & changed]
    except Exception:
        log_failure("the failed entries of a batch")
        return answer
    if not entries:
        return answer
    count("fields_left_out", len(entries))
    try:
        again = call(*args, **{**given, name: entries})
    except Exception:  # the others have been sent: the caller has to know
        return answer
    sent_again = {entry["Id"] for entry in entries}
    failed = [entry for entry in answer["Failed"] if entry["Id"] not in sent_again] + again.get("Failed", [])
    merged = {**answer, "Successful": answer.get("Successful", []) + again.get("Successful", []), "Failed": failed}
    if not failed:
        del merged["Failed"]
    return merged


def entries_of(kwargs: Request, name: str) -> list[Request] | None:
    """The entries of a batch; None if they are none that the client takes."""
    entries = kwargs.get(name)
    if not isinstance(entries, list | tuple) or not all(isinstance(entry, dict) for entry in entries):
        return None
    return list(entries)


def fail_for_entries(sending: SendingBatch, answer: Any) -> None:
    """Mark the span of a batch some of whose entries the service did not take. Never raises."""
    try:
        if failed := answer.get("Failed"):
            sending.failed(str(failed[0].get("Code")))
    except Exception:
        log_failure("the failed entries of a batch")
