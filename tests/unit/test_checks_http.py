"""Does the check of pages follow redirects safely, and change the Host line only where that tells something?"""

from collections.abc import Callable

import pytest

from probe.checks import dns, tls
from probe.checks.http import gather
from probe.checks.redirects import MAX_REDIRECTS, Unfollowed
from probe.failure import Failure
from probe.model.observations import Engine, HttpExchange, HttpStage
from probe.model.results import CannotRun, Mechanism, ProblemReason, State
from probe.net.base import HttpRequest
from probe.verdict.http import judge
from tests.fakes import (
    ADDRESS,
    CONTROL_ADDRESS,
    HOST,
    SECOND_ADDRESS,
    Answer,
    ScriptedNet,
    context,
    exchange,
    handshake,
    query,
)

PLAIN, SECURE = f"http://{HOST}/", f"https://{HOST}/"
PAGE = f"Welcome to {HOST} " + "where things happen " * 400
NOTICE = "Access to this resource is restricted by order of the authority"
Fetch = Callable[[HttpRequest], HttpExchange]


def prior(*addresses: str) -> dict[str, object]:
    control = (query(Engine.DOH, addresses or (ADDRESS,), server="one"),)
    return {
        "dns": dns.Evidence(hostname=HOST, system=(), control=control, decoy=(), handshakes=(), control_handshakes=())
    }


def site(request: HttpRequest) -> HttpExchange:
    """An ordinary site, and an ordinary control that serves nobody else's names."""
    here = request.endpoint.address
    if here == CONTROL_ADDRESS:
        wrong = Failure.SSL_INVALID_HOSTNAME if request.server_name else None
        stage = HttpStage.TLS if wrong else None
        return exchange(request.url, address=here, status=404, body="no such site", verify=wrong, stage=stage)
    if request.url.startswith("http:"):
        return exchange(request.url, address=here, status=301, location=f"https://{request.host}/")
    return exchange(request.url, address=here, body=PAGE)


def censored(act: Fetch) -> ScriptedNet:
    """`act` answers plain requests for the target's Host, wherever they go."""

    def answer(request: HttpRequest) -> HttpExchange:
        return act(request) if request.url.startswith("http:") and request.host == HOST else site(request)

    return ScriptedNet(on_fetch=answer)


def cutting(failure: Failure) -> Fetch:
    return lambda request: exchange(request.url, address=request.endpoint.address, failure=failure)


async def test_an_ordinary_site_costs_three_fetches_at_most() -> None:
    net = ScriptedNet(on_fetch=site)
    found = await gather(context(net, SECURE, prior=prior()))
    assert judge(found).rule_ids == ("http.ok",)
    assert [call[2] for call in net.calls] == [SECURE, PLAIN]
    assert [hop.url for hop in found.plain] == [PLAIN, SECURE]


@pytest.mark.parametrize(
    ("failure", "mechanism"),
    [
        (Failure.CONNECTION_RESET, Mechanism.HTTP_RESET_HOST),
        (Failure.GENERIC_TIMEOUT, Mechanism.HTTP_TIMEOUT_HOST),
    ],
)
async def test_a_cut_host_is_confirmed(failure: Failure, mechanism: Mechanism) -> None:
    net = censored(cutting(failure))
    found = await gather(context(net, SECURE, prior=prior(), seconds=30.0))
    assert net.clock.now() < 24
    assert (judge(found).rule_ids, judge(found).mechanisms) == (("http.cut_by_host",), (mechanism,))
    plain = [call for call in net.calls if call[2].startswith("http:")]
    assert HOST in plain[-1][2]
    assert CONTROL_ADDRESS in plain[-1][1]


@pytest.mark.parametrize(
    ("location", "mechanism"),
    [("http://blocked.test/", Mechanism.HTTP_REDIRECT), (None, Mechanism.HTTP_BLOCKPAGE)],
)
async def test_an_injected_answer_is_confirmed_by_a_control(location: str | None, mechanism: Mechanism) -> None:
    def inject(request: HttpRequest) -> HttpExchange:
        status = 302 if location else 403
        return exchange(request.url, address=request.endpoint.address, status=status, body=NOTICE, location=location)

    def resolve(_who: str, _host: str, kind: str) -> Answer:
        return (SECOND_ADDRESS,) if kind == "A" else Failure.DNS_NO_ANSWER

    net = censored(inject)
    net.on_encrypted = resolve
    found = await gather(context(net, SECURE, prior=prior()))
    assert (judge(found).rule_ids, judge(found).mechanisms) == (("http.answer_follows_host",), (mechanism,))
    assert found.foreign[-1].server_name == HOST


async def test_a_site_without_https_is_compared_too() -> None:
    net = censored(lambda r: exchange(r.url, address=r.endpoint.address, status=200, body=NOTICE))
    found = await gather(context(net, PLAIN, prior=prior()))
    assert found.secure == ()
    assert judge(found).rule_ids == ("http.answer_follows_host",)


async def test_a_known_text_is_named() -> None:
    net = censored(lambda r: exchange(r.url, address=r.endpoint.address, status=200, body=NOTICE))
    given = context(net, SECURE, prior=prior(), control_sites=(), known_blockpages={"isp": "order of the authority"})
    found = await gather(given)
    assert found.plain[0].known_blockpages == ("isp",)
    assert judge(found).rule_ids == ("http.known_blockpage",)


async def test_without_a_control_an_odd_answer_accuses_nobody() -> None:
    net = censored(lambda r: exchange(r.url, address=r.endpoint.address, status=200, body=NOTICE))
    found = await gather(context(net, SECURE, prior=prior(), control_sites=(), names=()))
    assert judge(found).state is State.INCONCLUSIVE


def redirecting(target: Callable[[int], str]) -> ScriptedNet:
    count = iter(range(1000))
    return ScriptedNet(
        on_fetch=lambda r: exchange(r.url, address=r.endpoint.address, status=302, location=target(next(count))),
        on_encrypted=lambda _who, _host, kind: (ADDRESS,) if kind == "A" else Failure.DNS_NO_ANSWER,
        on_resolve=lambda _host: (ADDRESS,),
    )


async def test_a_loop_ends() -> None:
    net = redirecting(lambda _: SECURE)
    found = await gather(context(net, SECURE, prior=prior()))
    assert found.secure[-1].problem == Unfollowed.LOOP
    assert judge(found).state is State.OK


async def test_endless_redirects_end() -> None:
    net = redirecting(lambda n: f"{SECURE}{n}")
    found = await gather(context(net, SECURE, prior=prior(), seconds=600.0))
    assert found.secure[-1].problem == Unfollowed.TOO_MANY
    assert len(found.secure) == MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("http://127.0.0.1/", Unfollowed.PRIVATE),
        ("http://192.168.1.1/admin", Unfollowed.PRIVATE),
        ("http://[::1]/", Unfollowed.PRIVATE),
        ("http://[scrubbed]/", Unfollowed.NOT_A_URL),
        ("ftp://target.example/", Unfollowed.NOT_A_URL),
        ("file:///etc/passwd", Unfollowed.NOT_A_URL),
        ("https://target.example:99999/", Unfollowed.NOT_A_URL),
        ("javascript:alert(1)", Unfollowed.NOT_A_URL),
    ],
)
async def test_redirects_into_the_dark_are_recorded_not_followed(location: str, problem: Unfollowed) -> None:
    net = redirecting(lambda _: location)
    found = await gather(context(net, SECURE, prior=prior()))
    assert found.secure[-1].problem == problem
    assert {call[1].rpartition(":")[0] for call in net.calls if call[0] == "fetch"} <= {ADDRESS, CONTROL_ADDRESS}


async def test_a_hop_goes_only_where_control_says() -> None:
    def answer(request: HttpRequest) -> HttpExchange:
        if request.host == HOST:
            return exchange(request.url, status=302, location="https://cdn.example/")
        return exchange(request.url, address=request.endpoint.address, body=PAGE)

    net = ScriptedNet(
        on_fetch=answer,
        on_encrypted=lambda _who, _host, kind: (SECOND_ADDRESS,) if kind == "A" else Failure.DNS_NO_ANSWER,
        on_resolve=lambda _host: ("203.0.113.66",),
    )
    found = await gather(context(net, SECURE, prior=prior()))
    assert found.secure[-1].exchanges[0].endpoint.address == SECOND_ADDRESS
    assert any(q.addresses == ("203.0.113.66",) for q in found.secure[-1].lookups)


async def test_a_failed_exchange_is_repeated_and_an_unconnected_one_elsewhere() -> None:
    net = ScriptedNet(
        on_fetch=lambda r: exchange(
            r.url, address=r.endpoint.address, failure=Failure.GENERIC_TIMEOUT, stage=HttpStage.CONNECT
        )
    )
    found = await gather(context(net, SECURE, prior=prior(ADDRESS, SECOND_ADDRESS)))
    assert [e.endpoint.address for e in found.secure[0].exchanges] == [ADDRESS, SECOND_ADDRESS]


async def test_what_tls_already_showed_is_not_asked_again() -> None:
    reset = (handshake(failure=Failure.CONNECTION_RESET),)
    known = tls.Evidence(hostname=HOST, target=reset, neutral=(), nameless=(), foreign_neutral=(), foreign=())
    net = ScriptedNet(on_fetch=site)
    found = await gather(context(net, SECURE, prior={**prior(), "tls": known}))
    assert found.secure[0].problem == Unfollowed.NO_HANDSHAKE
    assert not any(call[2].startswith("https:") for call in net.calls)
    assert judge(found).rule_ids == ("http.left_to_others",)


async def test_no_bytes_no_page() -> None:
    with pytest.raises(CannotRun) as refusal:
        await gather(context(ScriptedNet(), SECURE, prior=prior(), num_bytes=10))
    assert refusal.value.problem.reason is ProblemReason.BUDGET


async def test_no_address_no_page() -> None:
    with pytest.raises(CannotRun) as refusal:
        await gather(context(ScriptedNet(), SECURE))
    assert refusal.value.problem.reason is ProblemReason.NO_ADDRESS


async def test_it_ends_in_time_whatever_is_silent() -> None:
    net = ScriptedNet(on_fetch=cutting(Failure.GENERIC_TIMEOUT))
    found = await gather(context(net, SECURE, prior=prior(), seconds=30.0))
    assert net.clock.now() <= 30.0
    assert judge(found).state is State.INCONCLUSIVE


async def test_a_page_cut_inside_tls_is_tried_at_a_control_neutral_names_first() -> None:
    """The path lets the handshake through and drops what comes after it."""
    names: list[str | None] = []

    def answer(request: HttpRequest) -> HttpExchange:
        here = request.endpoint.address
        if here == CONTROL_ADDRESS and request.url.startswith("https:"):
            names.append(request.server_name)
            assert not request.verified
        if request.server_name == HOST:
            return exchange(request.url, address=here, failure=Failure.GENERIC_TIMEOUT)
        return exchange(request.url, address=here, body="a page") if here == CONTROL_ADDRESS else site(request)

    found = await gather(context(ScriptedNet(on_fetch=answer), subject=SECURE, prior=prior(), seconds=60.0))
    verdict = judge(found)
    assert verdict.rule_ids == ("http.cut_inside_tls",)
    assert verdict.mechanisms == (Mechanism.TLS_TIMEOUT_SNI,)
    assert len(names) == 4
    assert HOST not in names[:2]
    assert names[2:] == [HOST, HOST]
