"""HOST:PORT, as an option takes it."""

import click


class AddressType(click.ParamType[tuple[str, int]]):
    """HOST:PORT, [IPV6]:PORT, or a port alone, which is one of loopback; port 0 is any."""

    name = "address"

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Return host and port."""
        if isinstance(value, tuple):
            return value
        host, _, port = value.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if not (port.isdecimal() and port.isascii() and int(port) < 1 << 16) or (":" in host and not bracketed):
            self.fail(f"{value!r}: HOST:PORT is expected", param, ctx)
        return host.strip("[]") or "127.0.0.1", int(port)
