"""What may each label of a metric say? Closed lists, or a pattern and the file that bounds how many there are.

A label is never an address, a URL, a host name or the text of an error: those are in the report, which an exemplar's
measurement id leads to.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from probe.config.watch_file import NetworkKind
from probe.failure import Failure
from probe.model.observations import Direction
from probe.model.past import OnsetOf
from probe.model.results import ProblemReason
from probe.model.words import Mechanism, NetworkState, State
from probe.registry import CHOOSABLE

NO_FAILURE = "none"  # a word, not an empty label: to Prometheus that would be no label at all


class GoodputArm(StrEnum):
    """Whose rate it is; which control it was compared with is in the report."""

    TARGET = "target"
    CONTROL = "control"


class Phase(StrEnum):
    """Which part of reaching a target took the time; each belongs to one check."""

    LOOKUP = "lookup"  # dns: a question to this line's own resolvers, until the first answer
    CONNECT = "connect"  # reach: the TCP handshake
    HANDSHAKE = "handshake"  # tls: from the connection to the end of the TLS handshake
    FIRST_BYTE = "first_byte"  # http: from the request to the first byte of the answer


class BudgetWindow(StrEnum):
    """Over what time a byte budget counts; days and months are those of UTC."""

    RUN = "run"
    DAY = "day"
    MONTH = "month"


class RunOutcome(StrEnum):
    """How a run ended."""

    COMPLETED = "completed"
    INTERRUPTED = "interrupted"  # it was told to stop, and kept what it had
    NO_USABLE_NETWORK = "no_usable_network"  # the controls failed: nothing can be said about any target
    FAILED = "failed"  # a mistake of ours ended it


class Skip(StrEnum):
    """Why a run that was due, or its goodput part, was left out or put off."""

    QUIET_HOURS = "quiet_hours"
    NO_NETWORK = "no_network"
    METERED = "metered"
    VPN = "vpn"
    BUSY_LINE = "busy_line"
    BUDGET = "budget"


class SampleLoss(StrEnum):
    """Why a sample will never reach a receiver."""

    REFUSED = "refused"  # the receiver will not have it (4xx), however often it is sent
    DROPPED = "dropped"  # the spool was full: the oldest had to go


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """`values` is the closed list; where it is empty, `pattern` is what a value looks like and `bound` says what limits
    how many there can be."""

    name: str
    values: tuple[str, ...] = ()
    pattern: str = ""
    bound: str

    def allows(self, value: str) -> bool:
        """Whether this is one of the label's values."""
        return value in self.values if self.values else re.fullmatch(self.pattern, value) is not None


def _closed(name: str, values: Iterable[str], bound: str) -> Label:
    return Label(name=name, values=tuple(str(value) for value in values), bound=bound)


IDENTIFIER = r"[a-z0-9][a-z0-9_-]{0,62}"

TARGET = Label(name="target", pattern=IDENTIFIER, bound="the ids of targets.yaml")
STATE = _closed("state", State, "docs/ontology.md")
MECHANISM = _closed("mechanism", Mechanism, "docs/ontology.md")
DIRECTION = _closed("direction", Direction, "seen from the vantage point")
ARM = _closed("arm", GoodputArm, "the target, or the control of its own comparison")
CHECK = _closed("check", CHOOSABLE, "the checks of this version")
PHASE = _closed("phase", Phase, "lookup is of dns, connect of reach, handshake of tls, first_byte of http")
FAILURE = _closed("failure", (NO_FAILURE, *Failure), "OONI's vocabulary (df-007-errors)")
REASON = _closed("reason", ProblemReason, "why a check gave no evidence")
WHAT = _closed("what", OnsetOf, "the state, or the level of a direction's goodput")
NETWORK_STATE = _closed("state", NetworkState, "docs/method/network.md")
WINDOW = _closed("window", BudgetWindow, "days and months are those of UTC")
OUTCOME = _closed("outcome", RunOutcome, "how a run ended")
SKIP = _closed("reason", Skip, "why something was left out or put off")
LOSS = _closed("reason", SampleLoss, "why a sample will never arrive")
ENDPOINT = Label(name="endpoint", pattern=IDENTIFIER, bound="the names of `remote_write` in watch.yaml")
COUNTRY = Label(name="country", pattern=r"([A-Z]{2})?", bound="one value; empty: not known")
ASN = Label(name="asn", pattern=r"([1-9][0-9]{0,9})?", bound="one value; empty: not known")
NETWORK = _closed("network", ("", *NetworkKind), "one value; empty: not known")
VERSION = Label(name="version", pattern=r"[0-9A-Za-z.+_-]{1,40}", bound="one value")
