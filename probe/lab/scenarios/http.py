"""What must be said where plain HTTP is cut, answered or led elsewhere because of its Host?"""

from probe.lab.actions import Drop, Reset, blockpage, redirect
from probe.lab.path import HOME, MOBILE, WIFI, PathProfile
from probe.lab.rules import Action, CensorRule, HttpHost, named
from probe.lab.scenarios.base import Family, Setup, Truth, scenario
from probe.lab.scenarios.censored import blocked, censored
from probe.lab.world import NOTICE_NAME
from probe.model.results import Mechanism

LINES = (HOME, WIFI, MOBILE)


def _host(profile: PathProfile, do: Action, truth: Truth) -> Setup:
    rule = CensorRule(when=HttpHost(pattern=named("gazette.test")), do=do)
    return censored(profile, "gazette", rule, truth, bystander="mapfolk")


@scenario(Family.HTTP, on=LINES, in_suite=True)
def http_blockpage(profile: PathProfile) -> Setup:
    """Requests for the host get a notice with status 403 in the server's place. Seen with India's Airtel."""
    return _host(profile, blockpage(), blocked(Mechanism.HTTP_BLOCKPAGE))


@scenario(Family.HTTP, on=LINES)
def http_blockpage_with_200(profile: PathProfile) -> Setup:
    """Requests for the host get a notice with status 200. Seen in Iran."""
    return _host(profile, blockpage(status="200 OK"), blocked(Mechanism.HTTP_BLOCKPAGE))


@scenario(Family.HTTP, on=LINES)
def http_redirect(profile: PathProfile) -> Setup:
    """Requests for the host are led to the operator's notice site. Seen with Russian and Turkish providers."""
    truth = blocked(Mechanism.HTTP_REDIRECT, Mechanism.HTTP_BLOCKPAGE)
    return _host(profile, redirect(f"http://{NOTICE_NAME}/"), truth)


@scenario(Family.HTTP, on=LINES)
def http_reset(profile: PathProfile) -> Setup:
    """Requests for the host are reset. Seen in China and with India's mobile operators."""
    return _host(profile, Reset(), blocked(Mechanism.HTTP_RESET_HOST))


@scenario(Family.HTTP, on=LINES)
def http_timeout(profile: PathProfile) -> Setup:
    """Requests for the host are dropped."""
    return _host(profile, Drop(), blocked(Mechanism.HTTP_TIMEOUT_HOST))
