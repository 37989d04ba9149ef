"""When, and in which direction, does another action hold?

Records that wrap an action: one direction, after some packets, after some time, in some hours. Which share of flows is
a matter of matching (`probe.lab.matchers.ShareOfFlows`).
"""

from dataclasses import dataclass
from enum import Enum

from probe.lab.rules import PASS, Action, Crossing, Direction, Outcome, Treatment
from probe.lab.sightings import Sighting


@dataclass(frozen=True, slots=True, kw_only=True)
class OneWay:
    """The action on packets of one direction; the others pass.

    China drops what Shadowsocks servers send and lets through what they are sent (Alice et al., "How China detects and
    blocks Shadowsocks", IMC 2020).
    """

    do: Action
    direction: Direction

    def start(self, sighting: Sighting) -> "_OneWay":
        return _OneWay(self.direction, self.do.start(sighting))


class _OneWay:
    def __init__(self, direction: Direction, inner: Treatment) -> None:
        self._direction = direction
        self._inner = inner

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        return self._inner.handle(crossing, now) if crossing.direction is self._direction else PASS


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterPackets:
    """The matching packet and so many more, of both directions together, pass; then the action begins. With `at_most`
    their number is drawn for each flow, from `packets` to that.

    With `Drop`, 5 to 8 packets: TSPU's SNI-II (Xue et al., "TSPU: Russia's decentralized censorship system", IMC
    2022).
    """

    do: Action
    packets: int
    at_most: int | None = None

    def start(self, sighting: Sighting) -> "_AfterPackets":
        choices = 1 if self.at_most is None else self.at_most - self.packets + 1
        return _AfterPackets(self.packets + sighting.draw(0) % choices + 1, self.do.start(sighting))


class _AfterPackets:
    """How many packets still pass."""

    def __init__(self, passing: int, inner: Treatment) -> None:
        self._passing = passing
        self._inner = inner

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        if self._passing > 0:
            self._passing -= 1
            return PASS
        return self._inner.handle(crossing, now)


class Since(Enum):
    """From when a delay is counted."""

    MATCH = "match"  # of this flow
    START = "start"  # the censor's first packet


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterSeconds:
    """The action begins so many seconds after the flow matched, or after the censor began to work.

    From the match on: not documented in the wild; a stress for the judge. From the start: any measure on the day it
    comes into force.
    """

    do: Action
    seconds: float
    since: Since = Since.MATCH

    def start(self, sighting: Sighting) -> "_AfterSeconds":
        begins_at = (sighting.at if self.since is Since.MATCH else sighting.censor_since) + self.seconds
        return _AfterSeconds(begins_at, self.do.start(sighting))


class _AfterSeconds:
    def __init__(self, begins_at: float, inner: Treatment) -> None:
        self._begins_at = begins_at
        self._inner = inner

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        return self._inner.handle(crossing, now) if now >= self._begins_at else PASS


@dataclass(frozen=True, slots=True, kw_only=True)
class InHours:
    """The action holds in one part of each day, from `begins` to `ends` (shares of the day; over midnight where
    `begins` is the later). A day has `day_seconds` and begins with the censor's first packet.

    Blocking by the hour is known from exams in Iraq and Syria; throttling by the hour is not documented in the wild: a
    stress for the judge.
    """

    do: Action
    begins: float
    ends: float
    day_seconds: float

    def start(self, sighting: Sighting) -> "_InHours":
        return _InHours(self, sighting.censor_since, self.do.start(sighting))


class _InHours:
    def __init__(self, rule: InHours, day_one: float, inner: Treatment) -> None:
        self._rule = rule
        self._day_one = day_one
        self._inner = inner

    def handle(self, crossing: Crossing, now: float) -> Outcome:
        hour = (now - self._day_one) % self._rule.day_seconds / self._rule.day_seconds
        begins, ends = self._rule.begins, self._rule.ends
        holds = begins <= hour < ends if begins <= ends else hour >= begins or hour < ends
        return self._inner.handle(crossing, now) if holds else PASS
