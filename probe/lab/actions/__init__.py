"""What can the lab's censor do to a flow?

One small record or function for each action, in modules by what they do; each says where it was seen, or that it was
not. Their names are all here.
"""

from probe.lab.actions.divert import Divert
from probe.lab.actions.forbid import Drop, RacingReset, Reset, ResetAnswers, Unreachable
from probe.lab.actions.forge import (
    ForgeDns,
    InjectHttp,
    blockpage,
    empty_answer,
    forged_address,
    nxdomain,
    redirect,
    refused,
    servfail,
)
from probe.lab.actions.freeze import Freeze, FreezeAfterPackets
from probe.lab.actions.partial import AfterPackets, AfterSeconds, InHours, OneWay, Since
from probe.lab.actions.rates import Lose, LosePureAcks, Police, Shape

__all__ = [
    "AfterPackets",
    "AfterSeconds",
    "Divert",
    "Drop",
    "ForgeDns",
    "Freeze",
    "FreezeAfterPackets",
    "InHours",
    "InjectHttp",
    "Lose",
    "LosePureAcks",
    "OneWay",
    "Police",
    "RacingReset",
    "Reset",
    "ResetAnswers",
    "Shape",
    "Since",
    "Unreachable",
    "blockpage",
    "empty_answer",
    "forged_address",
    "nxdomain",
    "redirect",
    "refused",
    "servfail",
]
