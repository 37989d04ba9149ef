"""Is it said behind which router packets end, and is nobody accused of what a dead server does as well?

One line a test; on it five sites with something wrong and one with nothing, each in a way of its own.
"""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from probe.lab.actions import Drop, Reset, Unreachable
from probe.lab.manners import Manners, Port
from probe.lab.path import HOME, MOBILE, PathProfile
from probe.lab.rules import CensorRule, Sni, ToAddress, named
from probe.lab.session import Lab
from probe.lab.world import Host, Platform, Role, World, small_internet
from probe.model.results import Hop, State
from tests.lab.running import Ran, measure

pytestmark = [pytest.mark.lab, pytest.mark.timeout(200)]

SHUT = Manners(http=Port.CLOSED, https=Port.CLOSED)
CHECKS = "dns,reach,tls,hops"  # a page of a dead address costs 20 s and says nothing of hops
MECHANISMS = {
    "dropped": {"tcp.timeout"},
    "refused": {"tcp.refused"},
    "prohibited": {"ip.unreachable"},
    "named": {"tls.reset.sni"},
}


def internet() -> World:
    hosts = {
        "dropped": Host(name="dropped.test", address="198.18.41.1", role=Role.WEB),
        "refused": Host(name="refused.test", address="198.18.42.1", role=Role.WEB),
        "prohibited": Host(name="prohibited.test", address="198.18.43.1", role=Role.WEB),
        "named": Host(name="named.test", address="198.18.44.1", role=Role.WEB),
        "dead": Host(name="dead.test", address="198.18.45.1", role=Role.WEB, dead=True),
        "shut": Host(name="shut.test", address="198.18.46.1", role=Role.WEB, manners=SHUT),
        "well": Host(name="well.test", address="198.18.47.1", role=Role.WEB),
    }
    platforms = tuple(Platform(id=id, name=id.title(), category="tools", hosts=(host,)) for id, host in hosts.items())
    return replace(small_internet(), platforms=platforms)


RULES = (
    CensorRule(when=ToAddress(addresses=("198.18.41.1",)), do=Drop()),
    CensorRule(when=ToAddress(addresses=("198.18.42.1",)), do=Reset()),
    CensorRule(when=ToAddress(addresses=("198.18.43.1",)), do=Unreachable()),
    CensorRule(when=Sni(pattern=named("named.test")), do=Reset()),
)


def run(profile: PathProfile) -> Ran:
    with Lab(profile=profile, world=internet(), rules=RULES) as lab:
        ran = measure(lab, "--checks", CHECKS)
    assert ran.state("well") is State.OK, ran.told()
    assert not any(m.check == "hops" for m in ran.target("well").measurements), ran.told()
    for innocent in ("dead", "shut"):
        assert ran.state(innocent) is State.INCONCLUSIVE, ran.told()
        assert ran.verdict(innocent).facts.hop is None, ran.told()
    return ran


def check(ran: Ran, hops: Mapping[str, Hop | None], states: Mapping[str, State] | None = None) -> None:
    for id, hop in hops.items():
        state = (states or {}).get(id, State.BLOCKED)
        assert (ran.state(id), ran.verdict(id).facts.hop) == (state, hop), ran.told()
        assert state is not State.BLOCKED or ran.mechanisms(id) == MECHANISMS[id], ran.told()


def test_in_the_middle() -> None:
    ran = run(replace(HOME, censor_hop=3))
    check(ran, dict.fromkeys(MECHANISMS, Hop(after=3, before=4)))
    for id in ("dropped", "dead"):
        assert ran.seconds_of(id, "hops") <= 15


def test_right_behind_the_home_router_of_a_lossy_line() -> None:
    check(run(replace(HOME, censor_hop=1, loss=0.05)), dict.fromkeys(MECHANISMS, Hop(after=1, before=2)))


def test_behind_the_last_router_it_may_be_the_server() -> None:
    unclear = {"dropped": State.INCONCLUSIVE, "refused": State.INCONCLUSIVE}
    check(
        run(replace(HOME, censor_hop=7)), {"dropped": None, "refused": None, "named": Hop(after=7, before=8)}, unclear
    )


def test_silent_routers_leave_the_place_wide() -> None:
    ran = run(replace(MOBILE, censor_hop=3, silent_hops=(2, 3, 4)))
    check(ran, {"dropped": Hop(after=1, before=5), "refused": Hop(after=1, before=4), "named": Hop(after=3, before=4)})


def test_where_no_router_speaks_nothing_is_said_of_addresses() -> None:
    ran = run(replace(HOME, silent_hops=tuple(range(1, 8))))
    unclear = {"dropped": State.INCONCLUSIVE, "refused": State.INCONCLUSIVE}
    check(ran, {"dropped": None, "refused": None, "named": Hop(after=3, before=4)}, unclear)
