"""Every rule of every judge, in one tuple: for `explain`, and for the test that each is unique and explained."""

from typing import Any

from probe.verdict import dns, goodput, hops, http, portal, reach, target, tls
from probe.verdict.rules import Rule

RULES: tuple[Rule[Any], ...] = (
    *dns.RULES,
    *reach.RULES,
    *tls.RULES,
    *http.RULES,
    *hops.RULES,
    *goodput.RULES,
    *portal.RULES,
    *target.RULES,
)
