"""What does a trusted, encrypted resolver answer?

DNS over HTTPS to a fixed address, its certificate verified for the name in its URL. Connections are kept while a run
lasts, so that a hundred questions are not a hundred handshakes to one address.

Source: RFC 8484.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from yarl import URL

from probe.failure import Failure
from probe.model.observations import DnsQuery, DnsReply, Engine
from probe.model.results import CannotRun
from probe.model.targets import Endpoint, Resolver
from probe.net.agent import USER_AGENT
from probe.net.dns_messages import MAX_MESSAGE_BYTES, Answer, build_question, read_answer
from probe.net.http import Call, Pool, PoolError
from probe.net.instruments import Instruments
from probe.net.limits import require_time
from probe.wire.names import to_ascii

HTTPS_PORT = 443
MESSAGE_TYPE = "application/dns-message"
STATUS_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    answer: Answer | None
    failure: Failure | None


class EncryptedResolvers:
    """The control resolvers of one run, by their name and address."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._pools: dict[Resolver, Pool] = {}

    async def query(
        self, resolver: Resolver, hostname: str, query_type: str, instruments: Instruments, *, deadline: float
    ) -> DnsQuery:
        """Ask; `deadline` and the times recorded are on the clock of `instruments`, the measurement's.

        Raises CannotRun when the deadline is past.
        """
        require_time(instruments.clock, deadline, stage="dns")
        t0 = instruments.clock.now()
        ascii_name = to_ascii(hostname)
        if ascii_name is None:
            outcome = _Outcome(answer=None, failure=Failure.UNKNOWN)
        else:
            until = self._instruments.clock.now() + instruments.seconds_until(deadline)
            outcome = await self._ask(resolver, ascii_name, query_type, until)
        t = instruments.clock.now()
        replies: tuple[DnsReply, ...] = ()
        if outcome.answer is not None:
            answer = outcome.answer
            instruments.known.add(*answer.addresses)
            reply = DnsReply(
                t=t,
                source=resolver.address,
                rcode=answer.rcode,
                addresses=answer.addresses,
                cnames=tuple(instruments.known.scrub(name) for name in answer.cnames),
                authoritative=answer.authoritative,
                malformed=answer.malformed,
            )
            replies = (reply,)
        return DnsQuery(
            engine=Engine.DOH,
            resolver=resolver.name,
            resolver_address=resolver.address,
            hostname=hostname,
            query_type=query_type,
            t0=t0,
            t=t,
            replies=replies,
            failure=outcome.failure,
            transaction_id=next(instruments.transactions),
        )

    async def _ask(self, resolver: Resolver, hostname: str, query_type: str, until: float) -> _Outcome:
        pool = self._pools.setdefault(resolver, Pool(_call(resolver), self._instruments))
        question = build_question(hostname, query_type, 0)
        try:
            status, wire = await pool.post(question, deadline=until)
        except PoolError as error:
            return _Outcome(answer=None, failure=error.failure)
        except CannotRun:  # a control that cannot be asked in time accuses nobody
            return _Outcome(answer=None, failure=Failure.GENERIC_TIMEOUT)
        if status != STATUS_OK:
            return _Outcome(answer=None, failure=Failure.DNS_SERVER_MISBEHAVING)
        answer = read_answer(wire, hostname, query_type, 0)
        return _Outcome(answer=answer, failure=answer.failure)

    async def close(self) -> None:
        for pool in self._pools.values():
            await pool.close()


def _call(resolver: Resolver) -> Call:
    parts = urlsplit(resolver.url)
    name = parts.hostname or ""
    return Call(
        method="POST",
        url=URL(resolver.url),
        endpoint=Endpoint(address=resolver.address, port=parts.port or HTTPS_PORT),
        secure=True,
        server_name=name,
        verified_name=name,
        headers={"User-Agent": USER_AGENT, "Accept": MESSAGE_TYPE, "Content-Type": MESSAGE_TYPE},
        max_bytes=MAX_MESSAGE_BYTES,
    )
