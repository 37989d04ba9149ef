"""What must be said of servers that are difficult, broken or badly kept, while nobody interferes?

Where the truth can be known from one place the state must be it: `ok` where the server answers, whatever it says,
`down` where it is broken for everybody. Where an interferer would look the same it is `inconclusive`.
"""

from dataclasses import replace

from probe.lab.manners import CertificateKind, Listed, Manners, Port, Unknown
from probe.lab.path import HOME, MOBILE, PathProfile
from probe.lab.scenarios.base import CLEAN, Family, Setup, scenario
from probe.lab.scenarios.honest import (
    DOWN_OR_UNKNOWABLE,
    FAILING,
    UNKNOWABLE,
    UNKNOWABLE_OR_OK,
    WITHHELD,
    clean,
    media,
    platform,
    setup,
    site,
    sites,
)
from probe.lab.scenarios.media import STRICTNESS
from probe.lab.world import Host, Role

LINES = (HOME, MOBILE)
SLOW_BPS = 300e3
HANGING_SECONDS = 60.0  # longer than anybody waits
BOMB_BYTES = 300_000_000

CERTIFICATES = {
    "expired": Manners(certificate=CertificateKind.EXPIRED),
    "othername": Manners(certificate=CertificateKind.OTHER_NAME),
    "selfsigned": Manners(certificate=CertificateKind.SELF_SIGNED),
}


@scenario(Family.SERVERS, on=LINES, in_suite=True)
def certificates_that_are_not_valid(profile: PathProfile) -> Setup:
    """Expired, for another name, self-signed: an interceptor's would look the same from one place."""
    return setup(profile, sites(CERTIFICATES, UNKNOWABLE), beside=clean("gazette"))


@scenario(Family.SERVERS)
def fresh_certificate_and_a_slow_clock(profile: PathProfile) -> Setup:
    """The clock is a day slow: only a certificate issued since then is not yet valid, the controls' older ones are."""
    fresh = {"fresh": Manners(certificate=CertificateKind.NOT_YET_VALID)}
    return setup(profile, sites(fresh, UNKNOWABLE), beside=clean("gazette"))


@scenario(Family.SERVERS, on=LINES, in_suite=True)
def sites_strict_about_names(profile: PathProfile) -> Setup:
    """An alert (unrecognized_name), RST or silence for every name but their own, in TLS or in HTTP; 421."""
    talk = {
        "resetshosts": Manners(unknown_hosts=Unknown.RESET),
        "ignoreshosts": Manners(unknown_hosts=Unknown.IGNORE),
        "misdirected": Manners(misdirected=True),
    }
    return setup(profile, [*sites(STRICTNESS, CLEAN), *sites(talk, CLEAN, role=Role.NEWS, first=10)])


@scenario(Family.SERVERS, on=LINES, in_suite=True)
def answers_that_refuse_us(profile: PathProfile) -> Setup:
    """401, 403 with a CAPTCHA, 421, 429 and 503 for everybody who comes from this address: the server's own word."""
    statuses = {f"says{s}": Manners(status=s) for s in (401, 403, 421, 429, 503)}
    return setup(profile, sites(statuses, CLEAN))


@scenario(Family.SERVERS)
def unavailable_for_legal_reasons(profile: PathProfile) -> Setup:
    """451 inside verified TLS: the platform withholds the page itself, the network does nothing."""
    return setup(profile, sites({"legal": Manners(status=451)}, WITHHELD))


@scenario(Family.SERVERS, in_suite=True)
def redirects(profile: PathProfile) -> Setup:
    """Loops, chains through other sites, a move to another name over https and over http."""
    found = {
        "looping": Manners(redirect="https://looping.test/"),
        "oldname": Manners(redirect="https://linkhub.test/", plain_redirect="https://linkhub.test/"),
        "oldplain": Manners(redirect="https://talkline.test/", plain_redirect="http://talkline.test/"),
        "chain": Manners(redirect="https://chain2.test/"),
        "chain2": Manners(redirect="https://chain3.test/"),
        "chain3": Manners(redirect="https://oldname.test/"),
    }
    return setup(profile, sites(found, CLEAN), beside=clean("linkhub", "talkline"))


@scenario(Family.SERVERS, in_suite=True)
def broken_sites(profile: PathProfile) -> Setup:
    """500 for everybody; a page that ends early; one closed and one filtered https port beside an open http one."""
    found = [
        *sites({"failing": Manners(status=500), "badgateway": Manners(status=502)}, FAILING),
        *sites({"overstated": Manners(overstated_bytes=5000)}, UNKNOWABLE, first=2),
    ]
    ports = {"nosecure": Manners(https=Port.CLOSED), "filteredsecure": Manners(https=Port.FILTERED)}
    return setup(profile, [*found, *sites(ports, UNKNOWABLE, role=Role.NEWS, first=4)])


@scenario(Family.SERVERS, in_suite=True)
def sites_without_plain_http(profile: PathProfile) -> Setup:
    """Port 80 closed or filtered by the server's own firewall, https as it should be."""
    found = {"noplain": Manners(http=Port.CLOSED), "filteredplain": Manners(http=Port.FILTERED)}
    return setup(profile, sites(found, CLEAN))


@scenario(Family.SERVERS, on=LINES, in_suite=True)
def origin_down(profile: PathProfile) -> Setup:
    """The only address is dead, or one of two, listed first or second: not to be told from one that is dropped."""
    alone = Host(name="gone.test", address="198.18.150.1", role=Role.WEB, dead=True)
    alive = Host(name="halfdead.test", address="198.18.151.1", role=Role.WEB)
    gone = replace(alive, address="198.18.151.2", dead=True)
    turned = (replace(h, name="halfgone.test", address=h.address + "1") for h in (gone, alive))
    found = [
        (platform("gone", alone), DOWN_OR_UNKNOWABLE),
        (platform("halfdead", alive, gone), DOWN_OR_UNKNOWABLE),
        (platform("halfgone", *turned), DOWN_OR_UNKNOWABLE),
    ]
    return setup(profile, found, beside=clean("gazette"))


@scenario(Family.SERVERS)
def hanging_servers(profile: PathProfile) -> Setup:
    """TCP is accepted and TLS never answers any name; or TLS is fine and no request is ever answered."""
    silent = Manners(own_name=Unknown.IGNORE, unknown_names=Unknown.IGNORE)
    found = {"hangsintls": silent, "hangsinhttp": Manners(first_byte_seconds=HANGING_SECONDS)}
    return setup(profile, sites(found, DOWN_OR_UNKNOWABLE), beside=clean("gazette"))


@scenario(Family.SERVERS)
def refuses_every_name(profile: PathProfile) -> Setup:
    """Every handshake is reset, whatever the name: a site that refuses the addresses of data centres and VPNs."""
    every = Manners(own_name=Unknown.RESET, unknown_names=Unknown.RESET)
    return setup(profile, sites({"resetsall": every}, UNKNOWABLE), beside=clean("gazette"))


@scenario(Family.SERVERS, on=LINES, in_suite=True)
def dead_server_behind_a_shared_door(profile: PathProfile) -> Setup:
    """A proxy passes each name on to its own server by SNI; the target's is gone, so its name alone is reset or gets
    silence, while the proxy itself answers all other names: what a censor at this very address would look like."""
    found = {"resetsown": Manners(own_name=Unknown.RESET), "ignoresown": Manners(own_name=Unknown.IGNORE)}
    return setup(profile, sites(found, DOWN_OR_UNKNOWABLE), beside=clean("gazette"))


@scenario(Family.SERVERS)
def program_behind_one_host_hangs(profile: PathProfile) -> Setup:
    """Over http:// the program of one site of many on a server hangs or crashes; other Hosts there are answered."""
    found = {"hangshost": Manners(own_host=Unknown.IGNORE), "crasheshost": Manners(own_host=Unknown.RESET)}
    polite = {id: replace(m, unknown_hosts=Unknown.SERVE) for id, m in found.items()}
    return setup(profile, sites(polite, DOWN_OR_UNKNOWABLE, role=Role.NEWS), beside=clean("gazette"))


@scenario(Family.SERVERS)
def some_servers_of_many_are_broken(profile: PathProfile) -> Setup:
    """A load balancer with dead servers behind it: a third, or two thirds, of all connections are reset."""
    third, most = Manners(reset_share=0.33), Manners(reset_share=0.67)
    found = [(site("third", 0, third), UNKNOWABLE_OR_OK), (site("most", 1, most), UNKNOWABLE_OR_OK)]
    found += [(media("thirdmedia", 2, third), UNKNOWABLE_OR_OK), (media("mostmedia", 3, most), UNKNOWABLE_OR_OK)]
    return setup(profile, found, beside=clean("gazette"))


@scenario(Family.SERVERS)
def a_door_that_bans_who_knocks_often(profile: PathProfile) -> Setup:
    """After a few connections a server's firewall resets all that follow, which hits whatever is tried last."""
    found = [(site(f"bans{n}", n, Manners(patient_connections=n)), UNKNOWABLE_OR_OK) for n in (0, 1, 2, 3)]
    found += [(media(f"bansmedia{n}", 10 + n, Manners(patient_connections=n)), UNKNOWABLE_OR_OK) for n in (3, 6)]
    return setup(profile, found)


@scenario(Family.SERVERS)
def limits_on_requests(profile: PathProfile) -> Setup:
    """429 after the first request or the third, of pages and of media."""
    found = sites({"impatient": Manners(patient_requests=1)}, CLEAN, role=Role.NEWS)
    refuses = Manners(patient_requests=3)
    return setup(profile, [*found, (media("patience", 3, refuses, refuses), UNKNOWABLE_OR_OK)])


@scenario(Family.SERVERS, in_suite=True)
def slow_pages(profile: PathProfile) -> Setup:
    """A first byte after two seconds, a page at 300 kbit/s, a cold cache, connections closed when idle."""
    slow = site("slowpage", 10, Manners())
    paced = platform("slowpage", *(replace(h, pacing_bps=SLOW_BPS) for h in slow.hosts))
    found = {
        "latebyte": Manners(first_byte_seconds=2.0),
        "cold": Manners(cold_seconds=3.0),
        "closesidle": Manners(idle_seconds=0.05),
    }
    return setup(profile, [*sites(found, CLEAN), (paced, CLEAN)])


@scenario(Family.SERVERS)
def compressed_bomb(profile: PathProfile) -> Setup:
    """A page of 300 MB of zeros in 300 KB of gzip: to be cut, not unpacked, and nobody's interference."""
    return setup(profile, sites({"bomb": Manners(expands_to_bytes=BOMB_BYTES)}, CLEAN), beside=clean("gazette"))


@scenario(Family.SERVERS, in_suite=True)
def names_beyond_ascii(profile: PathProfile) -> Setup:
    """bücher.test and bäcker.test, written in targets.yaml as a person writes them and as DNS does."""
    written = Host(name="xn--bcher-kva.test", address="198.18.140.1", role=Role.NEWS, spelled="bücher.test")
    encoded = Host(name="xn--bcker-gra.test", address="198.18.141.1", role=Role.NEWS)
    found = [(platform("books", written), CLEAN), (platform("bakers", encoded), CLEAN)]
    return setup(profile, found)


@scenario(Family.SERVERS, in_suite=True)
def addresses_by_resolver(profile: PathProfile) -> Setup:
    """A delivery network gives this line's resolver one address and the encrypted ones another; both serve the site."""
    here = Host(name="cdn.test", address="198.18.131.1", role=Role.WEB, listed=Listed.BY_ISP)
    there = replace(here, address="198.18.131.2", listed=Listed.BY_CONTROLS)
    return setup(profile, [(platform("cdn", here, there), CLEAN)], beside=clean("gazette"))


@scenario(Family.SERVERS)
def refuses_data_centres_by_address(profile: PathProfile) -> Setup:
    """Resolvers are given different servers; the one for this line resets everybody, or serves 403, the other works."""
    here = Host(name="shy.test", address="198.18.132.1", role=Role.WEB, listed=Listed.BY_ISP)
    resets = replace(here, manners=Manners(own_name=Unknown.RESET, unknown_names=Unknown.RESET))
    there = replace(here, address="198.18.132.2", listed=Listed.BY_CONTROLS)
    polite = [replace(h, name="coy.test", address=h.address + "1") for h in (here, there)]
    polite = [replace(h, manners=Manners(status=403)) for h in polite]
    found = [(platform("shy", resets, there), UNKNOWABLE_OR_OK), (platform("coy", *polite), CLEAN)]
    return setup(profile, found, beside=clean("gazette"))
