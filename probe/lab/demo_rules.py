"""Which six targets does the demonstration measure, what is done to each, and what must be found?

Data only: the demo's censor and the expected verdicts, for the targets of `probe.lab.world.demo_world`. Running it is
the `demo` command's.
"""

from dataclasses import dataclass

from probe.lab.actions import Police, Reset, blockpage, forged_address
from probe.lab.rules import CensorRule, Direction, DnsName, HttpHost, Sni, named
from probe.lab.world import NOTICE_ADDRESS
from probe.model.results import Mechanism, State

DOWNLOAD_POLICED_BPS = (
    140_000  # what Twitter's downloads were given in March 2021 (Xue et al., IMC 2021: 130-150 kbit/s)
)
UPLOAD_POLICED_BPS = 150_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One target of the demo. `rule` says in words what the censor does; any of `mechanisms` explains it rightly."""

    target: str
    rule: str
    censor_rules: tuple[CensorRule, ...]
    state: State
    mechanisms: tuple[Mechanism, ...] = ()


CASES = (
    Case(target="photogram", rule="nothing", censor_rules=(), state=State.OK),
    Case(
        target="linkhub",
        rule="DNS answers for linkhub.test are forged: the address of a notice server",
        censor_rules=(CensorRule(when=DnsName(pattern=named("linkhub.test")), do=forged_address(NOTICE_ADDRESS)),),
        state=State.BLOCKED,
        mechanisms=(Mechanism.DNS_INJECTION_BLOCKPAGE, Mechanism.DNS_INJECTION),
    ),
    Case(
        target="talkline",
        rule="TLS connections whose SNI is talkline.test are reset",
        censor_rules=(CensorRule(when=Sni(pattern=named("talkline.test")), do=Reset()),),
        state=State.BLOCKED,
        mechanisms=(Mechanism.TLS_RESET_SNI,),
    ),
    Case(
        target="gazette",
        rule="HTTP requests with the Host gazette.test are answered with a blockpage",
        censor_rules=(CensorRule(when=HttpHost(pattern=named("gazette.test")), do=blockpage()),),
        state=State.BLOCKED,
        mechanisms=(Mechanism.HTTP_BLOCKPAGE,),
    ),
    Case(
        target="birdnet",
        rule="downloads over TLS connections whose SNI is birdnet.test or below are policed at 140 kbit/s",
        censor_rules=(
            CensorRule(
                when=Sni(pattern=named("birdnet.test")),
                do=Police(rate_bps=DOWNLOAD_POLICED_BPS, directions=(Direction.DOWN,)),
            ),
        ),
        state=State.THROTTLED,
        mechanisms=(Mechanism.TLS_THROTTLE_SNI,),
    ),
    Case(
        target="vidtube",
        rule="uploads over TLS connections whose SNI is vidtube.test or below are policed at 150 kbit/s",
        censor_rules=(
            CensorRule(
                when=Sni(pattern=named("vidtube.test")),
                do=Police(rate_bps=UPLOAD_POLICED_BPS, directions=(Direction.UP,)),
            ),
        ),
        state=State.THROTTLED,
        mechanisms=(Mechanism.TLS_THROTTLE_SNI,),
    ),
)


def demo_rules() -> tuple[CensorRule, ...]:
    """Everything that the demo's censor does."""
    return tuple(rule for case in CASES for rule in case.censor_rules)
