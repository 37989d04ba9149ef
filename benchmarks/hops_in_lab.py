"""How often does the follow-up `hops` find the right place on emulated paths, live, and does it ever accuse a server?

Run from the checkout: `python -m benchmarks.hops_in_lab [--rounds N] [--path NAME]`. Prints one row a cell: a way
in which connections fail on one path. What `reach` and `tls` would have found before is put together here: this is
about the follow-up alone. With `--inside` it is the program that the lab starts at its vantage point.
"""

import argparse
import asyncio
import sys
from dataclasses import dataclass, replace
from random import Random
from statistics import median

import msgspec

from probe.checks import hops, reach, tls
from probe.checks.context import Context, Step
from probe.failure import Failure
from probe.lab.actions import Drop, Reset, Unreachable
from probe.lab.manners import Manners, Port
from probe.lab.path import HOME, MOBILE, SATELLITE, WIFI, PathProfile
from probe.lab.rules import Action, CensorRule, Sni, ToAddress, named
from probe.lab.session import Lab
from probe.lab.world import Host, Platform, Role, World, small_internet
from probe.model.observations import TcpConnect
from probe.model.results import Hop, State
from probe.model.targets import Controls, Endpoint
from probe.net.live import LiveNet, Session
from probe.net.trust import Trust
from probe.verdict.hops import judge

ADDRESSES = 5  # of each way to fail, measured side by side: waiting is most of it
ROUNDS = 4
SECONDS = 15.0  # as in the registry
HARD_END_SECONDS = 170.0
SERVERS = ("dead", "shut")  # nobody interferes
BY_NAME = ("name reset", "name dropped")
WAYS = ("dropped", "refused", "prohibited", *BY_NAME, *SERVERS)
NEUTRAL = ("198.18.1.1", "198.18.2.1")
NEUTRAL_NAME = "www.northnet.test"
PATHS: dict[str, PathProfile] = {
    "home": HOME,
    "home, hop 1": replace(HOME, censor_hop=1),
    "home, hop 5": replace(HOME, censor_hop=5),
    "home, hop 7": replace(HOME, censor_hop=7),
    "loss 2 %": WIFI,
    "loss 5 %": replace(HOME, loss=0.05),
    "jitter 30 ms": replace(HOME, rtt_seconds=0.070, jitter_seconds=0.030),
    "mobile": MOBILE,
    "satellite": SATELLITE,
    "hops 2-4 silent": replace(HOME, silent_hops=(2, 3, 4)),
    "all silent": replace(HOME, silent_hops=tuple(range(1, 8))),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One follow-up and what it came to."""

    way: str
    state: State
    rule: str
    hop: Hop | None
    packets: int
    seconds: float


def address(way: str, number: int) -> str:
    return f"198.18.{60 + WAYS.index(way)}.{number + 1}"


def name(way: str, number: int) -> str:
    return f"{way.replace(' ', '')}{number}.test"


def internet() -> World:
    shut = Manners(http=Port.CLOSED, https=Port.CLOSED)
    hosts = [
        Host(
            name=name(way, n),
            address=address(way, n),
            role=Role.WEB,
            dead=way == "dead",
            manners=shut if way == "shut" else Manners(),
        )
        for way in WAYS
        for n in range(ADDRESSES)
    ]
    platforms = [Platform(id=h.name.partition(".")[0], name=h.name, category="tools", hosts=(h,)) for h in hosts]
    return replace(small_internet(), platforms=tuple(platforms))


def rules() -> list[CensorRule]:
    def listed(way: str) -> ToAddress:
        return ToAddress(addresses=tuple(address(way, n) for n in range(ADDRESSES)))

    found = [
        CensorRule(when=listed("dropped"), do=Drop()),
        CensorRule(when=listed("refused"), do=Reset()),
        CensorRule(when=listed("prohibited"), do=Unreachable()),
    ]
    cuts: tuple[Action, ...] = (Reset(), Drop())
    for way, action in zip(BY_NAME, cuts, strict=True):
        found += [CensorRule(when=Sni(pattern=named(name(way, n))), do=action) for n in range(ADDRESSES)]
    return found


async def prior_of(way: str, number: int, net: LiveNet) -> dict[str, object]:
    """What `reach` or `tls` would have found: real connections and handshakes, each once."""
    until = net.clock.now() + 6.0
    endpoint = Endpoint(address=address(way, number), port=443)
    if way in BY_NAME:
        neutral = await net.handshake(endpoint, server_name=NEUTRAL_NAME, verified_name=None, deadline=until)
        cut = await net.handshake(
            endpoint, server_name=name(way, number), verified_name=None, deadline=net.clock.now() + 1.5
        )
        nothing = {"nameless": (), "foreign_neutral": (), "foreign": ()}
        found = tls.Evidence(hostname=name(way, number), target=(cut, cut), neutral=(neutral,), **nothing)
        return {"tls": found}
    beside = [await net.connect(Endpoint(address=a, port=443), deadline=until) for a in NEUTRAL]
    failed = TcpConnect(endpoint=endpoint, source_port=0, t0=0.0, t=5.5, failure=Failure.GENERIC_TIMEOUT)
    candidate = reach.Candidate(address=endpoint.address, sources=(reach.Source.CONTROL,), dialled=True)
    evidence = reach.Evidence(
        host=name(way, number), ports=(443,), candidates=(candidate,), connects=(failed,) * 2, neutral=tuple(beside)
    )
    return {"reach": evidence}


class Plenty:
    """A byte budget that never ends: a follow-up asks for none."""

    remaining_bytes = 1_000_000

    def allows(self, num_bytes: int) -> bool:
        return num_bytes <= self.remaining_bytes


async def trial(way: str, number: int, session: Session) -> Trial:
    prior = await prior_of(way, number, session.measurement())
    net = session.measurement()
    ctx: Context[hops.Evidence] = Context(
        target=None,
        input=name(way, number),
        net=net,
        controls=Controls(resolvers=(), names=(NEUTRAL_NAME,), sites=(), media=()),
        control_sites=(),
        budget=Plenty(),
        deadline=SECONDS,
        enough=lambda _: Step.DONE,
        prior=prior,
        known_blockpages={},
    )
    made = await hops.gather(ctx)
    verdict = judge(made)
    packets = sum(map(len, (made.connects, made.neutral_connects, made.hellos, made.neutral_hellos)))
    rule, hop = verdict.rule_ids[0], verdict.facts.hop
    return Trial(way=way, state=verdict.state, rule=rule, hop=hop, packets=packets, seconds=net.clock.now())


async def inside(rounds: int) -> None:
    trust = Trust()

    async def one_after_the_other(way: str, number: int) -> list[Trial]:
        # A run of its own: many at once must not wait for their turn at the two neutral addresses.
        async with Session(random=Random(), trust=trust) as session:
            return [await trial(way, number, session) for _ in range(rounds)]

    found = await asyncio.gather(*(one_after_the_other(way, n) for way in WAYS for n in range(ADDRESSES)))
    sys.stdout.write(msgspec.json.encode([t for trials in found for t in trials]).decode())


def row(path: str, profile: PathProfile, way: str, trials: list[Trial]) -> str:
    """Trials, those that accuse, those whose hop interval holds the true place, those that give it exactly."""
    after = profile.censor_hop
    accuses = sum(t.state is State.BLOCKED for t in trials)
    places = [t.hop for t in trials if t.hop is not None]
    right = sum(h.after <= after < h.before for h in places)
    exact = sum((h.after, h.before) == (after, after + 1) for h in places)
    seconds, packets = [t.seconds for t in trials], [t.packets for t in trials]
    rules = ", ".join(sorted({t.rule.removeprefix("hops.") for t in trials}))
    return (
        f"| {path} | {way} | {len(trials)} | {accuses} | {right} of {len(places)} | {exact} | "
        f"{median(seconds):.1f} (most {max(seconds):.1f}) | {max(packets)} | {rules} |"
    )


def measure(path: str, profile: PathProfile, rounds: int) -> int:
    """One path; how many trials accuse a server."""
    with Lab(profile=profile, world=internet(), rules=rules()) as lab:
        command = [sys.executable, "-m", "benchmarks.hops_in_lab", "--inside", "--rounds", str(rounds)]
        done = lab.run(command, timeout=HARD_END_SECONDS)
        late = lab.stats()
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return 1
    trials = msgspec.json.decode(done.stdout, type=list[Trial])
    for way in WAYS:
        print(row(path, profile, way, [t for t in trials if t.way == way]), flush=True)
    print(f"{path}: {late}", file=sys.stderr)
    return sum(t.state is State.BLOCKED for t in trials if t.way in SERVERS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--path", choices=PATHS, action="append")
    parser.add_argument("--inside", action="store_true")
    options = parser.parse_args()
    if options.inside:
        asyncio.run(inside(options.rounds))
        return 0
    print("| path | what fails | trials | accused | place right | exact | seconds | packets | rules |")
    print("|---|---|---|---|---|---|---|---|---|")
    return min(1, sum([measure(path, PATHS[path], options.rounds) for path in options.path or PATHS]))


if __name__ == "__main__":
    sys.exit(main())
