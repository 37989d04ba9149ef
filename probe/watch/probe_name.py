"""What does a resolver of this line, or a control one, answer for a target's name? The dns prober.

blackbox_exporter is pointed at a server and has the name in its module; a module here that has a `query_name` works
so too. In the others the target is the name, and the module says which resolver is asked.
"""

import asyncio
import ipaddress

from probe.failure import Failure
from probe.metrics.blackbox import Refusal, address_hash
from probe.model.targets import Resolver
from probe.net import dns, looks
from probe.net.dns_https import EncryptedResolvers
from probe.net.dns_messages import MAX_MESSAGE_BYTES
from probe.watch.probe_setup import Setup, Unavailable
from probe.watch.probe_targets import SYSTEM

# Forged answers are read and passed over; a flood of them must not take more than this of the budget.
UDP_BYTES = 8 * MAX_MESSAGE_BYTES
HTTPS_BYTES = 64 * 1024  # a handshake of 20 KB, a question and its answer
FAILURES = {"NXDOMAIN": Failure.DNS_NXDOMAIN, "REFUSED": Failure.DNS_REFUSED, "SERVFAIL": Failure.DNS_SERVFAIL}


async def probe_server(setup: Setup, server: str, name: str) -> bool:
    """Ask this address, or the line's own resolver ("system"), over UDP. As `probe_name`."""
    return await (_ask_first(setup, name) if server == SYSTEM else _ask_server(setup, server, name))


async def probe_name(setup: Setup, name: str) -> bool:
    """Whether it succeeded; the reason, if not, is in the answer. Raises Unavailable, CannotRun."""
    if setup.module.resolver == SYSTEM:
        return await _ask_first(setup, name)
    resolver = setup.catalogue.resolver(setup.module.resolver)
    if resolver is None:
        raise Unavailable(f"the controls have no resolver {setup.module.resolver}")
    return await _ask_control(setup, resolver, name)


async def _ask_first(setup: Setup, name: str) -> bool:
    """Ask the first of the line's own resolvers."""
    servers = await asyncio.to_thread(dns.system_servers)
    if not servers:
        raise Unavailable("this machine has no resolver configured that can be asked")
    return await _ask_server(setup, servers[0], name)


async def _ask_server(setup: Setup, server: str, name: str) -> bool:
    setup.instruments.known.add(server)
    _tell_server(setup, server)
    setup.log.info("Making DNS query", target=server, query=name, type=setup.module.query_type)
    async with setup.spending(UDP_BYTES):
        look = await looks.ask(server, name, setup.module.query_type, setup.instruments, deadline=setup.deadline)
    setup.answer.add("probe_dns_duration_seconds", look.t_connected - look.t0, {"phase": "connect"})
    setup.answer.add("probe_dns_duration_seconds", look.t - look.t_connected, {"phase": "request"})
    if look.failure is not None:
        setup.log.error("Error while sending a DNS query", err=look.failure)
        setup.answer.fail(look.failure)
        return False
    setup.answer.set("probe_dns_answer_rrs", look.answers)
    setup.answer.set("probe_dns_authority_rrs", look.authorities)
    setup.answer.set("probe_dns_additional_rrs", look.additionals)
    return _succeeded(setup, look.rcode)


async def _ask_control(setup: Setup, resolver: Resolver, name: str) -> bool:
    _tell_server(setup, resolver.address)
    setup.log.info("Making DNS query over HTTPS", target=resolver.name, query=name, type=setup.module.query_type)
    resolvers = EncryptedResolvers(setup.instruments)
    try:
        async with setup.contact(resolver.address, max_bytes=HTTPS_BYTES):
            query = await resolvers.query(
                resolver, name, setup.module.query_type, setup.instruments, deadline=setup.deadline
            )
    finally:
        await resolvers.close()
    setup.answer.add("probe_dns_duration_seconds", query.t - query.t0, {"phase": "request"})
    if not query.replies or query.replies[0].malformed:
        failure = query.failure or Failure.DNS_SERVER_MISBEHAVING
        setup.log.error("Error while sending a DNS query", err=failure)
        setup.answer.fail(failure)
        return False
    reply = query.replies[0]
    setup.answer.set("probe_dns_answer_rrs", len(reply.addresses) + len(reply.cnames))
    return _succeeded(setup, reply.rcode)


def _tell_server(setup: Setup, server: str) -> None:
    address = ipaddress.ip_address(server)
    setup.answer.set("probe_ip_protocol", address.version)
    setup.answer.set("probe_ip_addr_hash", address_hash(address.packed))


def _succeeded(setup: Setup, rcode: str) -> bool:
    setup.answer.set("probe_dns_query_succeeded", 1)
    if rcode == "NOERROR":
        setup.log.info("Rcode is valid", rcode=rcode)
        return True
    setup.log.error("Rcode is not one of the valid rcodes", rcode=rcode)
    setup.answer.fail(FAILURES.get(rcode, Refusal.RCODE))
    return False
