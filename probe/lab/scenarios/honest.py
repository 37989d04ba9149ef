"""How are the worlds of honest scenarios put together: one target with manners of its own, several of them, controls?

The scenarios are in the modules beside this one, the manners are `probe.lab.manners`'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from probe.lab.manners import Manners
from probe.lab.path import PathProfile
from probe.lab.rules import CensorRule
from probe.lab.scenarios.base import CLEAN, Setup, Truth
from probe.lab.world import Host, Platform, Role, World, small_internet
from probe.model.results import Mechanism, NetworkState, State

FIRST_SUBNET = 100  # of the addresses of difficult servers; what is below belongs to the small internet's own
UNKNOWABLE = Truth(states=(State.INCONCLUSIVE,), interfered=False)
UNKNOWABLE_OR_OK = Truth(states=(State.INCONCLUSIVE, State.OK), interfered=False)
FAILING = Truth(states=(State.DOWN,), interfered=False, mechanisms=(Mechanism.SERVER_ERROR,))
NAMELESS = Truth(states=(State.DOWN,), interfered=False, mechanisms=(Mechanism.SERVER_DEAD_NAME,))
DOWN_OR_UNKNOWABLE = Truth(states=(State.DOWN, State.INCONCLUSIVE), interfered=False)
WITHHELD = Truth(states=(State.WITHHELD,), interfered=False, mechanisms=(Mechanism.PLATFORM_HTTP_451,))

Target = tuple[Platform, Truth]


def platform(id: str, *hosts: Host) -> Platform:
    return Platform(id=id, name=id, category="news", hosts=hosts)


def site(id: str, number: int, manners: Manners, *, role: Role = Role.WEB) -> Platform:
    """A platform of one page."""
    return platform(
        id, Host(name=f"{id}.test", address=f"198.18.{FIRST_SUBNET + number}.1", role=role, manners=manners)
    )


def media(
    id: str, number: int, down: Manners | None, up: Manners | None = None, *, pacing_bps: float | None = None
) -> Platform:
    """A platform of media alone: a download, an upload, or both, with these manners."""
    roles = ((Role.MEDIA, "media", 2, down), (Role.UPLOAD, "upload", 3, up))
    subnet = FIRST_SUBNET + number
    found = [
        Host(name=f"{n}.{id}.test", address=f"198.18.{subnet}.{i}", role=r, manners=m, pacing_bps=pacing_bps)
        for r, n, i, m in roles
        if m is not None
    ]
    return platform(id, *found)


def sites(manners: Mapping[str, Manners], truth: Truth, *, role: Role = Role.WEB, first: int = 0) -> list[Target]:
    """One target for each entry, of which the same is true."""
    return [(site(id, first + i, m, role=role), truth) for i, (id, m) in enumerate(manners.items())]


def many_media(manners: Mapping[str, Manners], truth: Truth, *, first: int = 0) -> list[Target]:
    """One target with a download for each entry, of which the same is true."""
    return [(media(id, first + i, m), truth) for i, (id, m) in enumerate(manners.items())]


def setup(
    profile: PathProfile,
    targets: Sequence[Target] = (),
    *,
    beside: Mapping[str, Truth] | None = None,
    world: World | None = None,
    rules: Sequence[CensorRule] = (),
    network: NetworkState = NetworkState.OK,
    programs: Sequence[str] = (),
    arguments: Sequence[str] = (),
) -> Setup:
    """The small internet with these targets, after those of its own that stand in `beside`."""
    truths = dict(beside or {})
    base = (world or small_internet()).only(*truths)
    return Setup(
        profile=profile,
        world=replace(base, platforms=(*base.platforms, *(p for p, _ in targets))),
        rules=tuple(rules),
        truths={**truths, **{p.id: truth for p, truth in targets}},
        network=network,
        beside=tuple(programs),
        arguments=tuple(arguments),
    )


def with_controls(world: World, manners: Manners) -> World:
    """Every control site of these manners."""
    for operator in world.operators:
        world = world.changed(operator.site.name, manners=manners)
    return world


def clean(*ids: str) -> dict[str, Truth]:
    return dict.fromkeys(ids, CLEAN)
