"""How does one run, of a machine that is gone afterwards, get to a Pushgateway?

For CI: everything of the group is replaced by what this run found (PUT). There is no spool and no second attempt; who
has a machine that stays uses remote write. Source: the Pushgateway's README, "API" and "When to use".
"""

import base64
from dataclasses import dataclass, replace
from urllib.parse import quote

from probe.config.watch_file import RemoteWrite
from probe.net.meter import Meter
from probe.push.connection import Connection, PostError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class GatewayError(Exception):
    """The Pushgateway does not have the results; the text says why, without any address or secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What the Pushgateway files the results under, and replaces as a whole."""

    job: str
    instance: str | None = None

    @property
    def path(self) -> str:
        """Below the Pushgateway's own URL, without a slash at its beginning."""
        labels = (("job", self.job), ("instance", self.instance))
        return "metrics/" + "/".join(_part(name, text) for name, text in labels if text is not None)


def group_url(gateway: str, group: Group) -> str:
    """Where the group is put, and is deleted."""
    return f"{gateway.rstrip('/')}/{group.path}"


async def put(gateway: RemoteWrite, group: Group, exposition: bytes, meter: Meter) -> None:
    """Replace the group by these metrics: text format 0.0.4, no timestamps. `gateway.url` is the Pushgateway's own.

    Raises GatewayError.
    """
    connection = Connection(replace(gateway, url=group_url(gateway.url, group)), meter)
    try:
        answer = await connection.send(exposition, {"Content-Type": CONTENT_TYPE}, method="PUT")
    except PostError as error:
        raise GatewayError(str(error)) from None
    finally:
        await connection.close()
    if not 200 <= answer.status < 300 or answer.is_page:
        raise GatewayError(f"HTTP {answer.status}" + (f" ({answer.text})" if answer.text else ""))


def _part(name: str, text: str) -> str:
    """A label in a path: base64 where the text would be read as more than one part, or as none."""
    if not text:
        return f"{name}@base64/="
    if "/" in text:
        return f"{name}@base64/{base64.urlsafe_b64encode(text.encode()).decode()}"
    return f"{name}/{quote(text, safe='')}"
