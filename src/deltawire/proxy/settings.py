"""What a proxy is told once, before the first request."""

from dataclasses import dataclass, field
from typing import Literal

from yarl import URL

from ..splicing import encoded_model

# The four families of streams, and what clients ask for first.
PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/v1/models")

# Where clients of the four families show their key, and upstream expects it.
KEY_HEADERS = ("authorization", "x-api-key", "api-key")

_FOREVER = 1 << 30  # seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The settings of a `Proxy`; times are seconds, sizes bytes.

    Attributes:
        upstream: where all requests go; a client's path is appended to it.
        model_name: the model that clients see in answers of chat completions and completions.
        usage: "always": upstream is asked for the usage of each stream, and each client gets
            it; "client": upstream is asked, so that it can be counted, and only clients that
            asked get it; "never": nothing is asked, nothing taken out.
        api_key: sent to upstream in place of what a client sends; needs `client_keys`.
        api_key_header: the header that it is sent in; in "authorization" behind "Bearer ".
        client_keys: of which a client must show one; none goes to upstream.
        allow: the paths that are served, `/*` at the end for all below; () is `PATHS` where the
            proxy holds a key, else everything.
        connect_timeout: for a connection to upstream.
        idle_timeout: without a byte of the request, of the answer's head or of its body.
        keep_alive: of silence, after which a client gets a comment; None: never.
        drain: for which upstream is read on for its usage when a client has left. With more than
            0 a client that leaves before the answer has begun is noticed only when it begins.
        max_body: of a request.
        max_inspected: of a request that is read as a whole to ask for usage, and of an answer
            that is read as a whole to count its usage; what is longer goes on unread.
        max_header: of a request's line, and of each header field, the answer's too.
        model_labels: how many models metrics tell apart; what is beyond is "other".
        trust_forwarded: the client's address is the last of X-Forwarded-For: for the log, where
            the only way here is a balancer that sets it.

    Raises:
        ValueError: one of them is impossible, or they do not fit together.
    """

    upstream: str
    model_name: str | None = None
    usage: Literal["always", "client", "never"] = "client"
    api_key: str | None = field(default=None, repr=False)
    api_key_header: str = "authorization"
    client_keys: tuple[str, ...] = field(default=(), repr=False)
    allow: tuple[str, ...] = ()
    connect_timeout: float = 10.0
    idle_timeout: float = 300.0
    keep_alive: float | None = 15.0
    drain: float = 0.0
    max_body: int = 32 << 20
    max_inspected: int = 8 << 20
    max_header: int = 16 << 10
    model_labels: int = 100
    trust_forwarded: bool = False

    def __post_init__(self) -> None:
        url = URL(self.upstream)
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError(f"upstream {self.upstream!r}, an http:// or https:// URL expected")
        if url.user is not None or url.password is not None or url.raw_query_string or url.raw_fragment:
            raise ValueError("upstream with credentials, a query or a fragment: a bare URL expected")
        if url.raw_path.rstrip("/").endswith("/v1"):
            raise ValueError(f"upstream {self.upstream!r}: leave out /v1, which a client's path brings along")
        if self.usage not in ("always", "client", "never"):
            raise ValueError(f"usage {self.usage!r}, 'always', 'client' or 'never' expected")
        encoded_model(self.model_name)
        for name in ("connect_timeout", "idle_timeout", "keep_alive", "drain"):
            _check_time(name, getattr(self, name))
        if self.api_key_header.lower() not in KEY_HEADERS:
            raise ValueError(f"api_key_header {self.api_key_header!r}, one of {KEY_HEADERS} expected")
        if self.api_key is not None and not self.client_keys:
            raise ValueError("api_key without client_keys: anybody could spend it")
        for key in (*self.client_keys, *(() if self.api_key is None else (self.api_key,))):
            if not key.isascii() or not key.isprintable() or not key.strip():
                raise ValueError("a key that is empty, or has other than printable ASCII characters")
        for path in self.allow:
            if not path.startswith("/"):
                raise ValueError(f"allowed path {path!r}, one that begins with / expected")

    @property
    def root(self) -> str:
        """The upstream without a slash at its end."""
        return str(URL(self.upstream)).rstrip("/")

    @property
    def allowed(self) -> tuple[str, ...]:
        """The paths that are served; () for all."""
        return self.allow or (PATHS if self.api_key is not None else ())


def _check_time(name: str, seconds: float | None) -> None:
    if seconds is not None and not 0 <= seconds < _FOREVER:
        raise ValueError(f"{name} of {seconds} s, from 0 to {_FOREVER} expected")
