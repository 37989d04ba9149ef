"""What is a scenario, and which are there?

The records and the table; the scenarios themselves are in the modules beside this one, running one is
`probe.lab.scenarios.running`'s, running many and counting `probe.lab.score`'s.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from probe.lab.path import HOME, PathProfile
from probe.lab.rules import CensorRule, Direction
from probe.lab.world import World
from probe.model.results import Mechanism, Method, NetworkState, State


class Family(StrEnum):
    """What a scenario is about. The first group interferes, the second is honest."""

    DNS = "dns"
    ADDRESS = "address"
    TLS = "tls"
    HTTP = "http"
    QUIC = "quic"
    THROTTLING = "throttling"
    STALL = "stall"
    PARTIAL = "partial"  # interference on a share of flows, in some hours, after a delay
    LINES = "lines"  # honest from here on: clean and bad lines
    SERVERS = "servers"
    RESOLVERS = "resolvers"
    CONTROLS = "controls"
    VANTAGE = "vantage"  # the home: portal, VPN, clock, other programs

    @property
    def interferes(self) -> bool:
        return self not in (Family.LINES, Family.SERVERS, Family.RESOLVERS, Family.CONTROLS, Family.VANTAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What one target must be.

    `states`: acceptable ones, the wanted one first. `interfered`: whether the network interferes with this target,
    which is what makes an accusation right or a false alarm. `mechanisms`: any of them explains it rightly (empty:
    not asked); `directions`: of the path, in which goodput must be found slowed; `methods`: any of them; `limit_bps`:
    what the limiter lets through on the wire; `stall_after_bytes`: of TCP payload; `hop`: the router after which it
    happens. None, or empty, where the scenario does not ask.
    """

    states: tuple[State, ...]
    interfered: bool
    mechanisms: tuple[Mechanism, ...] = ()
    directions: tuple[Direction, ...] = ()
    methods: tuple[Method, ...] = ()
    limit_bps: float | None = None
    stall_after_bytes: int | None = None
    hop: int | None = None

    @property
    def wanted(self) -> State:
        return self.states[0]


CLEAN = Truth(states=(State.OK,), interfered=False)
CLEAN_BUT_HARD = Truth(states=(State.OK, State.INCONCLUSIVE), interfered=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One emulated internet with what is true there.

    `truths`: by target id, for every target of `world`. `network`: what the report's network state must be.
    `beside`: Python programs (source text) that run at the vantage point while it is measured: another person's
    traffic. They are given the path of a file as their only argument, and end when it appears. `arguments`: further
    flags of `throttleprobe run`.
    """

    profile: PathProfile
    world: World
    rules: tuple[CensorRule, ...]
    truths: Mapping[str, Truth]
    network: NetworkState = NetworkState.OK
    beside: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


Build = Callable[[PathProfile], Setup]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`build` makes the setup for a line; `profiles` are the lines on which it is scored, the first the usual one.
    `summary`: one sentence. `in_suite`: whether `make test` runs it (on its first line), `make bench` runs all.
    """

    name: str
    family: Family
    summary: str
    build: Build
    profiles: tuple[PathProfile, ...] = (HOME,)
    in_suite: bool = field(default=False)


_TABLE: dict[str, Scenario] = {}


def scenario(
    family: Family, *, on: Sequence[PathProfile] = (HOME,), in_suite: bool = False
) -> Callable[[Build], Build]:
    """Enter the decorated function into the table: its name, with hyphens, is the scenario's, the first line of its
    docstring the summary.

    Raises ValueError for a second scenario of that name and for one without a docstring.
    """

    def enter(build: Build) -> Build:
        name = build.__name__.replace("_", "-")
        summary = (build.__doc__ or "").strip().split("\n")[0]
        if name in _TABLE or not summary:
            raise ValueError(f"scenario {name} is there twice, or has no docstring")
        _TABLE[name] = Scenario(
            name=name, family=family, summary=summary, build=build, profiles=tuple(on), in_suite=in_suite
        )
        return build

    return enter


def all_scenarios() -> tuple[Scenario, ...]:
    """Every scenario, by family and in the order written."""
    from probe.lab.scenarios import load

    load()
    order = list(Family)
    return tuple(sorted(_TABLE.values(), key=lambda s: order.index(s.family)))


def find(name: str) -> Scenario:
    """The scenario called `name`. Raises KeyError with the close names in its text."""
    import difflib

    known = {s.name: s for s in all_scenarios()}
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"close ones: {', '.join(close)}" if close else "`throttleprobe lab list` shows all"
        raise KeyError(f"no scenario is called {name}; {hint}")
    return known[name]
