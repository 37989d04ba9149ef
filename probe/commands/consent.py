"""May this program contact these hosts from this line? Asked before the first packet, in words.

Consent is given for a policy version; a risk group is asked for apart, as a group, because contacting an organisation
that a state has outlawed can endanger the person who does it. Where it is kept is the store's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from probe.config.plan import MAX_BYTES_PER_TARGET
from probe.config.watch_file import WatchConfig
from probe.model.targets import Risk, Target
from probe.registry import hosts

POLICY_VERSION = 3  # raised when what is sent, contacted or kept changes: everybody is asked again
DAY_SECONDS = 86_400.0
MANY = 100  # times a day: from there on, figures after the point tell nobody anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What a person agreed to: a policy version, whether the high-risk group is included, and whether this may go on
    unattended.
    """

    policy_version: int
    high_risk: bool
    unattended: bool = False

    @property
    def valid(self) -> bool:
        return self.policy_version == POLICY_VERSION


def question(targets: Sequence[Target], *, max_bytes: int) -> str:
    """What will be contacted, how much data it takes, what is kept: what is agreed to, for this and later runs."""
    return (
        f"{_contacted(targets)}"
        f"It moves at most {_most(targets, max_bytes) / 1e6:.0f} MB in a run, at most 4 MB a target.\n"
        "Kept on this machine only: what answered, when, and how fast. Never your address. Nothing is sent anywhere.\n"
        "Every host and purpose: throttleprobe targets list. Your answer is kept for later runs."
    )


def watch_question(targets: Sequence[Target], watch: WatchConfig) -> str:
    """The same for runs that go on by themselves: how often, how much, for how long; and who is sent the figures."""
    receivers = ", ".join(receiver.name for receiver in watch.remote_write)
    sent = (
        f"Figures and verdicts go to the receivers that you configured ({receivers}); nothing else is sent anywhere.\n"
        if receivers
        else "Nothing is sent anywhere.\n"
    )
    return (
        f"{_contacted(targets)}"
        "It does so by itself, day and night outside the quiet hours that you configured, at random times about "
        f"{_every(watch.schedule.mean_seconds)},\nuntil you stop it.\n"
        f"It moves at most {_most(targets, watch.budget.run_bytes) / 1e6:.0f} MB in a run, "
        f"{watch.budget.day_bytes / 1e6:.0f} MB a day and {watch.budget.month_bytes / 1e6:.0f} MB a month, "
        "`throttleprobe run` included.\n"
        f"Kept on this machine: what answered, when, and how fast, for {watch.retention.days} days. "
        f"Never your address.\n{sent}"
        "Every host and purpose: throttleprobe targets list. Your answer is kept for later starts."
    )


def _contacted(targets: Sequence[Target]) -> str:
    names = ", ".join(t.name for t in targets)
    contacted = len({h for t in targets for h in hosts(t)} | {str(s) for t in targets for s in t.services})
    return (
        f"Throttleprobe will contact up to {contacted} hosts of {len(targets)} targets from this line:\n"
        f"  {names}\n"
        "where their pages lead, sites that you name yourself, and the control sites and resolvers of targets.yaml.\n"
        "Whoever runs this network can see that, and can tell that it is a measurement.\n"
        "It asks for pages, downloads media, and uploads random bytes, which the platforms refuse.\n"
        "Where something is blocked it also sends packets that end on the way, as traceroute does, to find where.\n"
    )


def _most(targets: Sequence[Target], max_bytes: int) -> int:
    return min(max_bytes, MAX_BYTES_PER_TARGET * len(targets))


def _every(seconds: float) -> str:
    if seconds >= DAY_SECONDS:
        return f"every {seconds / DAY_SECONDS:.3g} days"
    times = DAY_SECONDS / seconds
    return f"{times:,.0f} times a day" if times >= MANY else f"{times:.3g} times a day"


def risk_question(targets: Sequence[Target]) -> str:
    """The separate question about targets that may endanger whoever contacts them."""
    names = ", ".join(t.name for t in targets)
    return (
        "Some states have outlawed these organisations; contacting them can be held against you:\n"
        f"  {names}\n"
        "They are left out unless you agree to contact all of them."
    )


def split_by_risk(targets: Sequence[Target]) -> tuple[tuple[Target, ...], tuple[Target, ...]]:
    """Targets of low and of high risk, each in their order."""
    low = tuple(t for t in targets if t.risk is Risk.LOW)
    return low, tuple(t for t in targets if t.risk is Risk.HIGH)
