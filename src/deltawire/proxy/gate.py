"""Who may ask for what, and what of a request goes on."""

from hmac import compare_digest
from urllib.parse import unquote

from aiohttp import hdrs, web

from ..integrations.upstreams import Fields, upstream_headers
from .settings import KEY_HEADERS, Settings

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

# With a key of the proxy's own, nothing of a client's says in whose name upstream is asked.
_IDENTITY = {*KEY_HEADERS, "cookie", "openai-organization", "openai-project"}
# Upstream's client is the proxy; a client could write anything here.
_FORWARDED = ("forwarded", "x-forwarded-", "x-real-ip")


class Refusal(Exception):
    """What a client is told instead of upstream's answer."""

    def __init__(self, status: int, message: str, code: str, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status = status
        self.error = {"message": message, "type": kind, "param": None, "code": code}

    def response(self) -> web.Response:
        """Return it as an answer; the connection ends with it, as the request may not be read."""
        response = web.json_response({"error": self.error}, status=self.status)
        if self.status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        if self.status == 405:
            response.headers["Allow"] = ", ".join(sorted(METHODS))
        response.force_close()
        return response


class Gate:
    """Looks at each request before anything of it goes on."""

    def __init__(self, settings: Settings) -> None:
        self._allowed = settings.allowed
        self._max_body = settings.max_body
        self._keys = [key.encode() for key in settings.client_keys]
        self._own: Fields = []
        if settings.api_key is not None:
            name = settings.api_key_header.lower()
            self._own = [(name, f"Bearer {settings.api_key}" if name == "authorization" else settings.api_key)]
        self._kept_back: set[str] = set(_IDENTITY if self._own else KEY_HEADERS if self._keys else ())

    def check(self, request: web.BaseRequest) -> str:
        """Return the path and query to ask upstream for.

        Raises:
            Refusal: this request goes nowhere.
        """
        if request.method not in METHODS:
            raise Refusal(405, f"Not allowed: {request.method}.", "method_not_supported")
        if request.headers.get(hdrs.TRANSFER_ENCODING, "chunked").strip().lower() != "chunked":
            raise Refusal(501, "Of transfer codings chunked alone is known here.", "transfer_coding_unknown")
        if hdrs.UPGRADE in request.headers:
            raise Refusal(400, "Connections are not upgraded here.", "upgrade_refused")
        target = target_of(request.raw_path)
        if self._keys and not self._knows(request):
            raise Refusal(401, "Incorrect API key provided.", "invalid_api_key")
        path = target.partition("?")[0]
        if self._allowed and not any(_matches(path, allowed) for allowed in self._allowed):
            raise Refusal(404, f"Invalid URL ({request.method} {path})", "unknown_url")
        if (request.content_length or 0) > self._max_body:
            raise too_large(self._max_body)
        return target

    def headers(self, request: web.BaseRequest) -> Fields:
        """Return the header fields for upstream, Content-Length apart."""
        fields = [
            (name, value)
            for name, value in upstream_headers(request.headers)
            if name.lower() not in self._kept_back and not name.lower().startswith(_FORWARDED)
        ]
        return [*fields, *self._own]

    def _knows(self, request: web.BaseRequest) -> bool:
        """Tell whether a client shows one of the keys, in a time that does not tell how much of it is right."""
        known = False
        for name in KEY_HEADERS:
            shown = request.headers.get(name, "")
            if name == "authorization":
                scheme, _, shown = shown.partition(" ")
                if scheme.lower() != "bearer":
                    continue
            data = shown.strip().encode("utf-8", "surrogateescape")
            for key in self._keys:
                known |= compare_digest(data, key)
        return known


def target_of(raw: str) -> str:
    """Return a request's target if it is a plain path, with a query or without.

    Whatever could name another host, or be taken for another path behind the proxy, is
    refused: the absolute and the authority form (RFC 9112, 3.2), `//host`, dot segments,
    encoded slashes.

    Raises:
        Refusal: it is not plain.
    """
    path = raw.partition("?")[0]
    plain = unquote(path, "latin-1").replace("\\", "/")
    segments = plain.split("/")
    if (
        not raw.startswith("/")
        or "//" in plain
        or "." in segments
        or ".." in segments
        or plain.count("/") != path.count("/")
        or not raw.isascii()
        or not raw.isprintable()
        or any(each in raw for each in "# ")
    ):
        raise Refusal(400, "The request's target must be a plain path.", "invalid_target")
    return raw


def too_large(allowed: int) -> Refusal:
    """Return the refusal of a request's body."""
    return Refusal(413, f"A request's body may have at most {allowed} bytes.", "request_too_large")


def _matches(path: str, allowed: str) -> bool:
    return path.startswith(allowed[:-1]) if allowed.endswith("/*") else path == allowed
