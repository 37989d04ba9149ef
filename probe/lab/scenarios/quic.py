"""What must be said where QUIC alone is dropped?

The probe has no QUIC check yet: what it measures goes over TCP, where nothing is wrong, and must be called so.
"""

from probe.lab.actions import Drop
from probe.lab.path import HOME, MOBILE, PathProfile
from probe.lab.rules import Matcher, QuicSize, QuicSni, ToPort, named
from probe.lab.scenarios.base import CLEAN, Family, Setup, scenario
from probe.lab.scenarios.censored import censored_site
from probe.wire.packets import Protocol

LINES = (HOME, MOBILE)
QUIC_PORT = 443


def _dropped(profile: PathProfile, when: Matcher) -> Setup:
    return censored_site(profile, when, Drop(), CLEAN)


@scenario(Family.QUIC, on=LINES)
def quic_dropped_by_size(profile: PathProfile) -> Setup:
    """QUIC v1 datagrams from 1001 bytes on are dropped. Seen in Russia from March 2022 on. Over TCP all is well."""
    return _dropped(profile, QuicSize())


@scenario(Family.QUIC, on=LINES)
def quic_dropped_by_name(profile: PathProfile) -> Setup:
    """QUIC Initials with the name are dropped. Seen in Russia from 2023 on. Over TCP all is well."""
    return _dropped(profile, QuicSni(pattern=named("mapfolk.test")))


@scenario(Family.QUIC, on=LINES, in_suite=True)
def quic_port_dropped(profile: PathProfile) -> Setup:
    """All UDP to port 443 is dropped, as many an office does. Over TCP all is well."""
    return _dropped(profile, ToPort(port=QUIC_PORT, protocol=Protocol.UDP))
