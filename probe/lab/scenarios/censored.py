"""How are the worlds of censored scenarios put together: one censored target, one that nobody touches, what is true?

The scenarios are in the modules beside this one, what the censor can do is `probe.lab.actions`'s.
"""

from probe.lab.path import DSL, HOME, MOBILE, SATELLITE, WIFI, PathProfile
from probe.lab.rules import Action, CensorRule, Direction, Matcher, Sni, named
from probe.lab.scenarios.base import CLEAN, Setup, Truth
from probe.lab.world import World, small_internet
from probe.model.results import Mechanism, Method, State

HOMES = (HOME, WIFI, MOBILE, DSL, SATELLITE)
FAST = (HOME, WIFI, MOBILE, SATELLITE)  # lines of which 140 kbit/s are no more than 7 %
DOWN = (Direction.DOWN,)
UP = (Direction.UP,)
BOTH = (Direction.DOWN, Direction.UP)
BYSTANDER = "gazette"  # measured beside every censored target: what is not censored is not accused


def address_of(name: str) -> str:
    """The address of a host of the small internet."""
    address = small_internet().address_of(name)
    assert address is not None, name
    return address


def blocked(*mechanisms: Mechanism, hop: int | None = None) -> Truth:
    """Blocked, and it can be shown."""
    return Truth(states=(State.BLOCKED,), interfered=True, mechanisms=mechanisms, hop=hop)


def blocked_or_unknowable(*mechanisms: Mechanism, hop: int | None = None) -> Truth:
    """Blocked; from one place it may look like a server's own fault."""
    return Truth(states=(State.BLOCKED, State.INCONCLUSIVE), interfered=True, mechanisms=mechanisms, hop=hop)


def by_name(target: str, do: Action, *, shared: bool = False) -> CensorRule:
    """The action on TLS connections for the target's name and those below it."""
    return CensorRule(when=Sni(pattern=named(f"{target}.test")), do=do, shared=shared)


def censored(
    profile: PathProfile,
    target: str,
    rule: CensorRule | tuple[CensorRule, ...],
    truth: Truth,
    *,
    bystander: str = BYSTANDER,
    world: World | None = None,
) -> Setup:
    """The small internet with the censored target and the bystander ("" for none)."""
    ids = (target, bystander) if bystander else (target,)
    return Setup(
        profile=profile,
        world=(world or small_internet()).only(*ids),
        rules=rule if isinstance(rule, tuple) else (rule,),
        truths={target: truth, **dict.fromkeys(ids[1:], CLEAN)},
    )


def censored_site(profile: PathProfile, when: Matcher, do: Action, truth: Truth) -> Setup:
    """One rule about `mapfolk.test`, a site without media."""
    return censored(profile, "mapfolk", CensorRule(when=when, do=do), truth)


def throttled(
    method: Method,
    directions: tuple[Direction, ...],
    *,
    limit_bps: float | None = None,
    mechanism: Mechanism = Mechanism.TLS_THROTTLE_SNI,
    states: tuple[State, ...] = (State.THROTTLED,),
) -> Truth:
    """Slowed in these directions by this method."""
    return Truth(
        states=states,
        interfered=True,
        mechanisms=(mechanism,),
        directions=directions,
        methods=(method,),
        limit_bps=limit_bps,
    )
