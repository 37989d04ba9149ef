"""What must be said of media servers that are strict, slow, broken or gone, while nobody interferes?

Where only the server can tell why it is slow or silent, `inconclusive` is the truth that can be known from one place.
"""

from dataclasses import replace

from probe.lab.actions import Police
from probe.lab.manners import Manners, Unknown
from probe.lab.path import DSL, HOME, WIFI, PathProfile
from probe.lab.rules import CensorRule, ToAddress
from probe.lab.scenarios.base import CLEAN, CLEAN_BUT_HARD, Family, Setup, scenario
from probe.lab.scenarios.honest import (
    DOWN_OR_UNKNOWABLE,
    UNKNOWABLE_OR_OK,
    many_media,
    media,
    platform,
    setup,
    sites,
)
from probe.lab.world import Host, Role

SLOW_BPS = 300e3
HANGING_SECONDS = 60.0  # longer than anybody waits
SLOW_STORAGE_BPS = 1e6
POLICER_BPS = 300e3
FROZEN_BYTES = 20_000
TRICKLE_BPS = 800e3
TRICKLE_AFTER_BYTES = 64_000
STRICTNESS = {
    "alertsunknown": Manners(unknown_names=Unknown.REFUSE),
    "resetsunknown": Manners(unknown_names=Unknown.RESET),
    "ignoresunknown": Manners(unknown_names=Unknown.IGNORE),
}


@scenario(Family.SERVERS)
def media_strict_about_names(profile: PathProfile) -> Setup:
    """The same for media: neutral names get an alert, RST, silence or 421, so that no neutral arm can be had."""
    return setup(profile, many_media(STRICTNESS | {"misdirected": Manners(misdirected=True)}, CLEAN))


@scenario(Family.SERVERS)
def media_that_hang(profile: PathProfile) -> Setup:
    """A media server that accepts, shakes hands and never answers a request; an upload that is never read: a window
    that closes for ever."""
    found = [
        (media("mute", 0, Manners(first_byte_seconds=HANGING_SECONDS)), DOWN_OR_UNKNOWABLE),
        (media("zerowindow", 1, None, Manners(reads_bytes=0)), UNKNOWABLE_OR_OK),
        (media("stuck", 2, None, Manners(reads_bytes=30_000)), UNKNOWABLE_OR_OK),
        (media("stuckstrict", 3, None, Manners(reads_bytes=30_000, unknown_names=Unknown.REFUSE)), UNKNOWABLE_OR_OK),
    ]
    return setup(profile, found)


@scenario(Family.SERVERS)
def media_slow_for_everybody(profile: PathProfile) -> Setup:
    """Slow to begin, a cold cache, paced at 300 kbit/s with and without neutral names."""
    found = [
        (media("laggard", 0, Manners(first_byte_seconds=2.0)), CLEAN),
        (media("cold", 1, Manners(cold_seconds=3.0)), CLEAN),
        (media("paced", 2, Manners(), pacing_bps=SLOW_BPS), CLEAN_BUT_HARD),
        (media("pacedstrict", 3, STRICTNESS["alertsunknown"], pacing_bps=SLOW_BPS), CLEAN_BUT_HARD),
    ]
    return setup(profile, found)


@scenario(Family.SERVERS, on=(HOME, WIFI))
def media_served_as_players_want_them(profile: PathProfile) -> Setup:
    """64 KB at once and the rest at 0.8 Mbit/s, as video is served: a burst and then one flat rate, to everybody."""
    trickle = Manners(burst_bytes=TRICKLE_AFTER_BYTES, trickle_bps=TRICKLE_BPS)
    strict = replace(trickle, unknown_names=Unknown.REFUSE)
    return setup(profile, many_media({"trickles": trickle, "tricklesstrict": strict}, CLEAN_BUT_HARD))


@scenario(Family.SERVERS)
def media_that_stop_at_the_same_byte(profile: PathProfile) -> Setup:
    """A broken server sends 20,000 bytes of every body and never the rest, whatever the name."""
    frozen = Manners(stalls_after_bytes=FROZEN_BYTES)
    strict = replace(frozen, unknown_names=Unknown.REFUSE)
    found = many_media({"frozen": frozen, "frozenstrict": strict}, DOWN_OR_UNKNOWABLE)
    return setup(profile, [*found, *sites({"frozenpage": frozen}, DOWN_OR_UNKNOWABLE, first=5)])


@scenario(Family.SERVERS)
def server_behind_its_own_policer(profile: PathProfile) -> Setup:
    """The hosting company polices all that the server sends to 300 kbit/s: to anybody, under any name, with losses."""
    found = media("hosted", 0, Manners())
    late = replace(profile, censor_hop=profile.routers)
    rule = CensorRule(when=ToAddress(addresses=tuple(h.address for h in found.hosts)), do=Police(rate_bps=POLICER_BPS))
    return setup(late, [(found, CLEAN_BUT_HARD)], rules=(rule,))


@scenario(Family.SERVERS)
def neutral_names_from_faster_storage(profile: PathProfile) -> Setup:
    """The server sends at 1 Mbit/s under its own name and at full speed under any other: it chooses by SNI."""
    found = {"slowown": Manners(own_name_pacing_bps=SLOW_STORAGE_BPS)}
    return setup(profile, many_media(found, CLEAN_BUT_HARD))


@scenario(Family.SERVERS)
def media_that_are_gone(profile: PathProfile) -> Setup:
    """404, an object too small, one that moved, one shorter than its Content-Length; a good upload beside."""
    well = Manners()
    found = [
        (media("gone", 0, Manners(status=404), well), CLEAN),
        (media("small", 1, Manners(object_bytes=20_000), well), CLEAN),
        (media("moved", 2, Manners(redirect="https://media.small.test/media/1.bin"), well), CLEAN),
        (media("overstated", 4, Manners(overstated_bytes=60_000), well), UNKNOWABLE_OR_OK),
    ]
    return setup(profile, found)


@scenario(Family.SERVERS, on=(HOME, DSL))
def uploads_refused_early(profile: PathProfile) -> Setup:
    """403 before the body was read, then the connection is dropped with the rest unread, which sends RST."""
    early = Host(
        name="upload.early.test",
        address="198.18.105.3",
        role=Role.UPLOAD,
        answers_early=True,
        upload_status=403,
        manners=Manners(hangs_up=True),
    )
    polite = replace(early, name="upload.polite.test", address="198.18.106.3", manners=Manners())
    found = [(platform("early", early), UNKNOWABLE_OR_OK), (platform("polite", polite), UNKNOWABLE_OR_OK)]
    return setup(profile, found)
