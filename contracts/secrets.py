"""Secrets in URIs: filled in from the environment, known from then on, and never shown.

Two nets, because each has holes of its own. By shape: what stands before the ``@`` of any URI, and the values of query
parameters named like a secret, go from every text. By value: a secret that was once part of a source's or output's URI
goes from every text in any of the forms in which libraries repeat it.
"""

from __future__ import annotations

import base64
import logging
import os
import re
import threading
from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, quote_plus, unquote

HIDDEN = "…"
_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USER_INFO = re.compile(
    r"(?<=://)(?!USER:PASSWORD@)(?:[^/?#\s'\"<>]*@"  # to the last @ before the path: passwords may hold one
    r"|[^/?#\s'\"<>@\[]*:(?!\d+[/?])(?=[^\s'\"<>@]*[/?#])[^\s'\"<>]*@"  # and a path's signs, where nobody encoded them
    r"|[^/?#\s'\"<>@\[.:]+:\d+[/?](?!@)[^\s'\"<>@]*@(?=[^\s'\"<>@/]*[./:]))"  # also behind digits: no port then
)
_TELLING = r"(?:token|key|pas|pw|secret|sig|auth|credential|session|cookie)"
_PARAMETER = re.compile(rf"(?i)([?&;][^=&;?\s]{{0,40}}{_TELLING}[^=&;\s]{{0,40}}=)[^&#\s'\"<>]+")
_IN_PATH = re.compile(r"(?i)([/_](?:password|passwd|pass|pwd)=)[^&#/\s'\"<>]+")  # …/user=admin_password=…_channel=1
_HEADER = re.compile(r"(?i)\b((?:proxy-)?authorization\s*[:=]\s*(?:basic|bearer|digest)?\s*)[^\r\n]+")
_SHORTEST = 4
"""Letters; shorter secrets go by shape only, else every text would lose its a's."""

_known: set[str] = set()
_pattern: re.Pattern[str] | None = None
_lock = threading.Lock()


def expand(uri: str) -> str:
    """``uri`` with each ``${NAME}`` replaced from the environment: a user, a password, a host, or all of it.

    In user info and in a query it is percent-encoded, and remembered as a secret. Raises UsageError where a variable
    is not set.
    """
    from contracts.errors import UsageError  # which uses this file

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if not _NAME.fullmatch(name):
            raise UsageError(f"{match[0]!r} is no name of a variable", "write ${NAME}: letters, digits and _")
        found = os.environ.get(name)
        if found is None:
            raise UsageError(f"the variable {name} is not set", f"export {name}=… first; ${{{name}}} stands for it")
        if match.end() > uri.rfind("@") and "?" not in uri[: match.start()]:
            return found
        _remember(found)
        return quote(found, safe="")

    expanded = _REFERENCE.sub(value, uri)
    learn(expanded)
    return expanded


def learn(uri: str) -> None:
    """Remember the secrets of a URI: its password, and the values of parameters named like one."""
    for secret in _secrets_of(uri):
        if not _REFERENCE.search(secret):  # it stands for the secret
            _remember(secret)


def without_login(uri: str) -> str:
    """The URI without user info and without the values of parameters named like a secret."""
    return _IN_PATH.sub(rf"\1{HIDDEN}", _PARAMETER.sub(rf"\1{HIDDEN}", _USER_INFO.sub("", uri)))


def only_host(uri: str) -> str:
    """Scheme, host and port alone: a path may be a secret, too, as RTMP's key is."""
    scheme, mark, rest = without_login(uri).partition("://")
    return scheme + mark + re.split("[/?#]", rest)[0]


def redact(text: str) -> str:
    """A text for people, a log or a file without any secret, by shape and by value."""
    shaped = _HEADER.sub(rf"\1{HIDDEN}", without_login(text))
    pattern = _pattern
    return pattern.sub(HIDDEN, shaped) if pattern is not None else shaped


def without_secrets(fault: Exception) -> Exception:
    """A fault to chain as a cause: the same kind and text, without secrets, and without what it came from."""
    parts = tuple(redact(part) if isinstance(part, str) else part for part in fault.args)
    try:
        clean = type(fault)(*parts)
    except TypeError:  # an exception that wants more than its args
        return RuntimeError(f"{type(fault).__name__}: {redact(str(fault))}")
    clean.__traceback__ = fault.__traceback__
    return clean


def _secrets_of(uri: str) -> Iterator[str]:
    shown = _USER_INFO.search(uri)
    info = shown[0].removesuffix("@") if shown else ""
    user, colon, password = info.partition(":")
    if colon and password:
        yield password
        for pair in {info, f"{unquote(user)}:{unquote(password)}"}:  # what HTTP's Basic scheme sends (RFC 7617)
            yield base64.b64encode(pair.encode()).decode()
    for name, value in parse_qsl(uri.partition("?")[2].partition("#")[0]):
        if re.search(rf"(?i){_TELLING}", name):
            yield value


def _remember(secret: str) -> None:
    """Know a secret from now on, in the forms in which it comes back: as it is and percent-encoded, strict or not."""
    global _pattern  # noqa: PLW0603  # one list for the process: a secret does not become harmless
    forms = {secret, unquote(secret)}
    forms |= {encoded for form in forms for encoded in (quote(form), quote(form, safe=""), quote_plus(form))}
    with _lock:
        _known.update(form for form in forms if len(form) >= _SHORTEST)
        longest_first = sorted(_known, key=len, reverse=True)
        _pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if longest_first else None


class Redacting(logging.Filter):
    """For log handlers: records leave it without secrets, whoever wrote them (libraries put URLs into their lines)."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the record's text; True."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):  # a library's slip, which logging forgives only behind the filters
            text = f"{record.msg} {record.args}"
        record.msg, record.args = redact(text), None
        if record.exc_info and record.exc_info[1] is not None and record.exc_text is None:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
        return True
