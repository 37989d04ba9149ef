"""At which address is a host probed, and what do the metrics say of it?

The system resolver is asked, as by every program. An address of somebody's own network that only it gives is not
dialled (design §4), unless a control resolver gives it too, as in a private test network.
"""

import asyncio
import ipaddress

from probe.checks.addresses import is_literal, is_nobody
from probe.config.watch_file import IpProtocol
from probe.failure import Failure
from probe.metrics.blackbox import Refusal, address_hash
from probe.net import dns
from probe.net.dns_https import EncryptedResolvers
from probe.watch.probe_setup import Setup
from probe.wire.bogon import is_private

LOOKUP_BYTES = 64 * 1024  # a question over HTTPS to one resolver, with its handshake
VERSION_FOUR, VERSION_SIX = 4, 6


async def choose_address(setup: Setup, host: str) -> str | None:
    """The address to dial; None, with the reason in the answer, where there is none."""
    setup.log.info("Resolving target address", target=host, ip_protocol=setup.module.ip_protocol)
    began = setup.instruments.clock.now()
    address = host if is_literal(host) else await _resolve(setup, host)
    setup.answer.add("probe_dns_lookup_time_seconds", setup.instruments.clock.now() - began)
    if address is None:
        setup.log.error("Resolution with IP protocol failed", target=host)
        return None
    parsed = ipaddress.ip_address(address)
    setup.instruments.known.add(address)
    setup.log.info("Resolved target address", target=host, ip=address)
    setup.answer.set("probe_ip_protocol", parsed.version)
    setup.answer.set("probe_ip_addr_hash", address_hash(parsed.packed))
    return address


async def next_address(setup: Setup, host: str, *, private: bool) -> str | None:
    """As `choose_address`, for a later hop of redirects, of which no metric tells the address.

    `private`: whether the first hop was at a private address; a public site must not make us ask the person's network.
    """
    address = host if is_literal(host) else await _resolve(setup, host)
    if address is not None and is_private(address) and not private:
        setup.log.error("Not followed: a redirect to a private address", target=host)
        setup.answer.fail(Refusal.PRIVATE_ADDRESS)
        return None
    if address is not None:
        setup.instruments.known.add(address)
    return address


async def _resolve(setup: Setup, host: str) -> str | None:
    query = await dns.resolve(host, setup.lookups, setup.instruments, deadline=setup.deadline)
    if query.failure is not None:
        setup.answer.fail(query.failure)
        return None
    address = _preferred(setup, query.addresses)
    if address is None:
        setup.answer.fail(Failure.DNS_NO_ANSWER)
    elif is_nobody(address) or (is_private(address) and address not in await _vouched(setup, host, address)):
        setup.log.error("Not dialled: a private address that no control resolver gives", target=host)
        setup.answer.fail(Refusal.PRIVATE_ADDRESS)
        return None
    return address


def _preferred(setup: Setup, addresses: tuple[str, ...]) -> str | None:
    """The first address of the protocol that the module wants, else the first of the other one if it may fall back."""
    wanted = VERSION_SIX if setup.module.ip_protocol is IpProtocol.IP6 else VERSION_FOUR
    fitting = [address for address in addresses if ipaddress.ip_address(address).version == wanted]
    others = addresses if setup.module.ip_protocol_fallback else ()
    return next(iter((*fitting, *others)), None)


async def _vouched(setup: Setup, host: str, address: str) -> frozenset[str]:
    """What the control resolvers give for the host."""
    kind = "AAAA" if ":" in address else "A"
    resolvers = EncryptedResolvers(setup.instruments)
    try:
        async with setup.spending(LOOKUP_BYTES * max(1, len(setup.catalogue.control_resolvers))):
            queries = await asyncio.gather(
                *(
                    resolvers.query(resolver, host, kind, setup.instruments, deadline=setup.deadline)
                    for resolver in setup.catalogue.control_resolvers
                )
            )
    finally:
        await resolvers.close()
    return frozenset(given for query in queries for given in query.addresses)
