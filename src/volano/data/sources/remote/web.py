"""HTTP and HTTPS: one file, from a public address.

A web address may lead into the network of whoever runs this: to a router, a database, the metadata
of a cloud machine. So the name is resolved once, every address it has is checked, and the
connection goes to that very address; each redirect is checked again. Proxies are not used.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import json
import socket
import ssl
import time
import zlib
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from volano.core.errors import DataError
from volano.data.sources.remote.request import Fetched, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from volano.data.sources.remote.request import Request

__all__ = ["Answer", "ask", "check_address", "download", "fetch_from_web", "read_json"]

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_ATTEMPTS = 3
_PIECE = 2**18
_MOST_JSON = 2**24  # bytes
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_ENDINGS = {
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "text/plain": ".txt",
    "application/jsonl": ".jsonl",
    "application/x-jsonlines": ".jsonl",
    "application/x-ndjson": ".jsonl",
    "application/vnd.apache.parquet": ".parquet",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.ms-excel": ".xls",
}
_KNOWN = {*_ENDINGS.values(), ".ndjson", ".xlsm", ".xlsb", ".gz", ".zip", ".data"}


class _AgainError(Exception):
    """The line broke in the middle of an answer."""


class Answer(NamedTuple):
    """What a server said: status, headers by lower-case name, and the body in pieces."""

    status: int
    headers: Mapping[str, str]
    body: Iterator[bytes]


def fetch_from_web(request: Request) -> Fetched | None:
    """Fetch one file; None where the server says that it has not changed.

    Raises:
        DataError: the address is refused, answers with an error or a web page, or sends too much.
        UnreachableError: nobody answers.
    """
    url = request.source.path.replace("{secret}", quote(request.secret, safe=""))
    mark = request.mark or {}
    headers = {
        "If-None-Match": mark.get("etag", ""),
        "If-Modified-Since": mark.get("last-modified", ""),
    }
    found: dict[str, str] = {}

    def keep(answer: Answer) -> None:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/html":
            raise DataError(
                "the address answers with a web page, not with data",
                where=request.source.path,
                fix="open it in a browser: it may ask for a login; name the file's own address",
            )
        path = PurePosixPath(urlsplit(url).path)
        ending = "".join(path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:])
        if path.suffix.lower() not in _KNOWN:
            ending = _ENDINGS.get(kind, ".csv")
        request.write("source" + ending.lower(), answer.body)
        for name in ("etag", "last-modified"):
            if name in answer.headers:
                found[name] = answer.headers[name]

    if not download(request, url, keep, headers):
        return None
    return Fetched(found or None)


def download(
    request: Request, url: str, keep: Any, headers: Mapping[str, str] | None = None
) -> bool:
    """Give ``keep`` the answer, again where the line breaks; False where nothing has changed.

    Raises:
        DataError: the address is refused, or answers with an error.
        UnreachableError: nobody answers.
    """
    for attempt in range(_ATTEMPTS):
        try:
            with ask(request, url, headers or {}) as answer:
                if answer.status == 304:
                    return False
                keep(answer)
                return True
        except _AgainError:
            time.sleep(0.2 * attempt)
    raise UnreachableError(
        "the line broke {count} times before the file was whole",
        where=request.source.path,
        fix="try again later",
        count=_ATTEMPTS,
    )


def read_json(request: Request, url: str) -> tuple[Any, Mapping[str, str]]:
    """A small JSON answer, and its headers.

    Raises:
        DataError: as ``download``; or it is no JSON.
    """
    found: list[tuple[Any, Mapping[str, str]]] = []

    def keep(answer: Answer) -> None:
        content = bytearray()
        for piece in answer.body:
            content += piece
            if len(content) > _MOST_JSON:
                raise _no_json(request)
        try:
            found.append((json.loads(bytes(content)), answer.headers))
        except (ValueError, RecursionError):
            raise _no_json(request) from None

    download(request, url, keep)
    return found[0]


def _no_json(request: Request) -> DataError:
    return DataError(
        "the answer is no JSON",
        where=request.source.path,
        fix="check the address in a browser",
    )


@contextmanager
def ask(request: Request, url: str, headers: Mapping[str, str]) -> Iterator[Answer]:
    """Ask for an address, follow its redirects, and give the body in pieces.

    Raises:
        DataError: an address on the way is refused, or the answer is an error.
        UnreachableError: nobody answers, or not in time.
    """
    first = _checked(request, url)
    origin = first.scheme, first.hostname, first.port
    for _ in range(_MOST_REDIRECTS + 1):
        parts = _checked(request, url)
        is_there = (parts.scheme, parts.hostname, parts.port) == origin
        sent = {**headers, **(_authorization(request, first) if is_there else {})}
        connection = _connect(request, parts)
        try:
            response = _sent(request, connection, parts, sent)
            location = response.getheader("Location")
            if response.status in _REDIRECTS and location:
                url = _checked(request, url, location).geturl()
                if first.scheme == "https" and not url.startswith("https:"):
                    raise DataError(
                        "the address leads on to one that is not encrypted",
                        where=request.source.path,
                        fix="name the address it leads to, if you trust it",
                    )
                continue
            _require_success(request, response)
            found = {name.lower(): value for name, value in response.getheaders()}
            yield Answer(response.status, found, _body(request, response, found))
            return
        finally:
            connection.close()
    raise DataError(
        "the address leads on more than {count} times",
        where=request.source.path,
        fix="name the address it leads to",
        count=_MOST_REDIRECTS,
    )


def _checked(request: Request, url: str, location: str = "") -> SplitResult:
    """The parts of an address, or of one that it leads on to."""
    try:
        parts = urlsplit(urljoin(url, location))
        is_whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, is_whole = SplitResult("https", "", "", "", ""), False
    if parts.scheme not in ("http", "https"):
        raise DataError(
            "the address leads on to {scheme}://, which is not followed",
            where=request.source.path,
            fix="name an https address",
            scheme=parts.scheme,
        )
    if not is_whole or any(character <= " " for character in parts.geturl()):
        raise DataError(
            "this is no whole web address",
            where=request.source.path,
            fix="https://HOST/PATH, with %20 for a space",
        )
    return parts


def _authorization(request: Request, parts: SplitResult) -> dict[str, str]:
    if request.secret and parts.username:
        pair = base64.b64encode(f"{unquote(parts.username)}:{request.secret}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    if not request.secret or "{secret}" in request.source.path:
        return {}
    return {"Authorization": f"Bearer {request.secret}"}


def _connect(request: Request, parts: SplitResult) -> http.client.HTTPConnection:
    host, is_secure = str(parts.hostname), parts.scheme == "https"
    port = parts.port or (443 if is_secure else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnreachableError(
            "there is no host {host!r}: {error}",
            where=request.source.path,
            fix="check the name and the network",
            host=host,
            error=getattr(error, "strerror", None) or "the name is not valid",
        ) from None
    places: list[tuple[int, Any]] = [(family, place) for family, _, _, _, place in found]
    for _, place in places:
        check_address(str(place[0]), host, request)
    kind = _SecureConnection if is_secure else _Connection
    connection = kind(host, port, timeout=request.timeout_seconds)
    connection.places = places
    return connection


def check_address(address: str, host: str, request: Request) -> None:
    """Refuse an address that is not public, unless its host is allowed.

    Raises:
        DataError: it is of this machine, a private network, or reserved.
    """
    allowed = {name.lower() for name in request.allow_hosts}
    if host.lower() in allowed or _is_public(address):
        return
    raise DataError(
        "{host!r} is not public: it leads to {address}, in this machine's own network",
        where=request.source.path,
        fix="if that is meant, allow it: data: {{allow_hosts: [{host}]}}",
        host=host,
        address=address,
    )


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        within = found.ipv4_mapped or found.sixtofour
        if found in _NAT64:
            within = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if found.teredo:
            within = found.teredo[1]
        if within is not None:
            return _is_public(str(within))
        if found.is_site_local:
            return False
    return found.is_global and not found.is_multicast


class _Connection(http.client.HTTPConnection):
    """Goes to the addresses that were checked, and resolves no name again."""

    places: list[tuple[int, Any]]

    def connect(self) -> None:
        """Try each address in turn."""
        self.sock = _reach(self.places, self.timeout)


class _SecureConnection(http.client.HTTPSConnection):
    """The same, encrypted for the host's name."""

    places: list[tuple[int, Any]]

    def connect(self) -> None:
        """Try each address in turn, and check the certificate."""
        plain = _reach(self.places, self.timeout)
        try:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(plain, server_hostname=self.host)
        except OSError:
            plain.close()
            raise


def _reach(places: list[tuple[int, Any]], timeout: float | None) -> socket.socket:
    last: OSError = OSError("no address")
    for family, place in places:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        try:
            sock.connect(place)
        except OSError as error:
            sock.close()
            last = error
        else:
            return sock
    raise last


def _sent(
    request: Request,
    connection: http.client.HTTPConnection,
    parts: SplitResult,
    headers: Mapping[str, str],
) -> http.client.HTTPResponse:
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if parts.query:
        target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    told = {"Accept-Encoding": "identity", "User-Agent": "volano", **headers}
    try:
        connection.request("GET", target, headers={k: v for k, v in told.items() if v})
        return connection.getresponse()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UnreachableError(
            "{host!r} does not answer: {error}",
            where=request.source.path,
            fix="check the address and the network",
            host=parts.hostname,
            error=request.hiding(error),
        ) from None


def _require_success(request: Request, response: http.client.HTTPResponse) -> None:
    status = response.status
    if status in (200, 304):
        return
    kind = UnreachableError if status >= 500 or status == 429 else DataError
    fix = "check the address"
    if status in (401, 403):
        fix = "it needs a token: keep it in a variable, and name that: fetch: {{secret: NAME}}"
    raise kind(
        "the server answers {status} ({reason})",
        where=request.source.path,
        fix=fix,
        status=status,
        reason=http.client.responses.get(status, "unknown"),
    )


def _body(
    request: Request, response: http.client.HTTPResponse, headers: Mapping[str, str]
) -> Iterator[bytes]:
    expected = int(headers["content-length"]) if headers.get("content-length", "").isdigit() else -1
    request.check_size(expected)
    packing = headers.get("content-encoding", "identity").lower()
    if packing not in ("identity", "gzip", ""):
        raise DataError(
            "the server packs its answer with {packing}, which was not asked for",
            where=request.source.path,
            fix="fetch the file by hand, and name it as a source",
            packing=packing,
        )
    unpack = zlib.decompressobj(wbits=31) if packing == "gzip" else None
    received = 0
    try:
        while piece := response.read1(_PIECE):
            received += len(piece)
            request.check_time()
            yield from [piece] if unpack is None else _unpacked(unpack, piece)
    except TimeoutError as error:
        raise UnreachableError(
            "the server stopped sending: {error}",
            where=request.source.path,
            fix="try again later",
            error=error,
        ) from None
    except (OSError, http.client.HTTPException, zlib.error) as error:
        raise _AgainError from error
    if received < expected or (unpack is not None and not unpack.eof):
        raise _AgainError


def _unpacked(unpack: Any, piece: bytes) -> Iterator[bytes]:
    """A small piece may unpack to a huge one: never more than some at a time."""
    while piece:
        yield unpack.decompress(piece, 16 * _PIECE)
        piece = unpack.unconsumed_tail
