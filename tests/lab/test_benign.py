"""Does nobody get accused where nobody interferes but servers are difficult, broken or badly kept, and controls too?

One world for several targets, each with manners of its own (`probe.lab.manners`); bad lines and far servers are in
`test_clean_lines`. Where the truth can be known from one place, the state must be it: `ok` or `down`.
"""

import sys
import threading
from dataclasses import replace

import pytest

from probe.lab.actions import forged_address
from probe.lab.manners import CertificateKind, Listed, Manners, Port, Unknown
from probe.lab.path import HOME, PathProfile
from probe.lab.rules import CensorRule, DnsName, named
from probe.lab.session import Lab
from probe.lab.world import NOTICE_ADDRESS, Host, Platform, Role, World, small_internet
from probe.model.results import NetworkState, State
from tests.lab.running import Ran, measure

pytestmark = [pytest.mark.lab, pytest.mark.timeout(200)]

UNDECIDED_OR_OK = {State.INCONCLUSIVE, State.OK}
CROSS_SECONDS = 200.0
HOME_RESOLVER_ADDRESS = "192.168.78.53"

UPLINK = PathProfile(name="uplink", down_bps=20e6, up_bps=0.3e6, rtt_seconds=0.040, buffer_seconds=0.3)
LOSSY = PathProfile(name="lossy", down_bps=10e6, up_bps=5e6, rtt_seconds=0.040, loss=0.05)
THIRD_GENERATION = PathProfile(
    name="3g", down_bps=2e6, up_bps=0.5e6, rtt_seconds=0.150, jitter_seconds=0.060, buffer_seconds=0.5
)

CROSS_TRAFFIC = """
import os, random, sys, time, urllib.request
size = random.Random(3)
while not os.path.exists(sys.argv[1]):
    try:
        url = f"https://speed.southnet.test/__down?bytes={size.randint(500_000, 5_000_000)}"
        urllib.request.urlopen(url, timeout=20).read()
    except OSError:
        pass
    time.sleep(size.uniform(0.2, 1.5))
"""


def platform(id: str, *hosts: Host) -> Platform:
    return Platform(id=id, name=id, category="news", hosts=hosts)


def site(id: str, subnet: int, manners: Manners, *, role: Role = Role.WEB) -> Platform:
    return platform(id, Host(name=f"{id}.test", address=f"198.18.{subnet}.1", role=role, manners=manners))


def with_media(
    id: str, subnet: int, down: Manners | None, up: Manners | None = None, pacing_bps: float | None = None
) -> Platform:
    """Media with a download, an upload, or both, of these manners."""
    roles = ((Role.MEDIA, "media", 2, down), (Role.UPLOAD, "upload", 3, up))
    found = [
        Host(name=f"{n}.{id}.test", address=f"198.18.{subnet}.{i}", role=r, manners=m, pacing_bps=pacing_bps)
        for r, n, i, m in roles
        if m is not None
    ]
    return platform(id, *found)


def world_of(*difficult: Platform, beside: tuple[str, ...] = ()) -> World:
    world = small_internet().only(*beside)
    return replace(world, platforms=(*world.platforms, *difficult))


def with_controls(world: World, manners: Manners) -> World:
    for operator in world.operators:
        world = world.changed(operator.site.name, manners=manners)
    return world


def run(world: World, line: PathProfile = HOME) -> Ran:
    with Lab(profile=line, world=world) as lab:
        return measure(lab)


def check(ran: Ran, expected: dict[str, State]) -> None:
    assert {t.id: t.verdict.state for t in ran.report.targets} == expected, ran.told()


CERTIFICATES = {  # an interceptor's would look the same from one place; none of them is the network's doing for certain
    "expired": Manners(certificate=CertificateKind.EXPIRED),
    "othername": Manners(certificate=CertificateKind.OTHER_NAME),
    "selfsigned": Manners(certificate=CertificateKind.SELF_SIGNED),
}
NAMES = {  # of a ClientHello
    "resetsunknown": Manners(unknown_names=Unknown.RESET),
    "ignoresunknown": Manners(unknown_names=Unknown.IGNORE),
}
TALK = {
    "busy": Manners(status=503),
    "captcha": Manners(status=403),
    "looping": Manners(redirect="https://looping.test/"),
    "oldname": Manners(redirect="https://linkhub.test/", plain_redirect="https://linkhub.test/"),
    "oldplain": Manners(redirect="https://talkline.test/", plain_redirect="http://talkline.test/"),
    "latebyte": Manners(first_byte_seconds=2.0),
    "noplain": Manners(http=Port.CLOSED),
    "filteredplain": Manners(http=Port.FILTERED),
}
NEWS = {  # over http:// as well
    "impatient": Manners(patient_requests=1),
    "ignoreshosts": Manners(unknown_hosts=Unknown.IGNORE),
    "resetshosts": Manners(unknown_hosts=Unknown.RESET),
}


def test_difficult_sites_are_ok() -> None:
    """CAPTCHA, 429, 503, loops, new names, names reset or ignored, closed ports, slow servers, differing answers."""
    found = [site(id, 100 + i, manners) for i, (id, manners) in enumerate((NAMES | TALK).items())]
    found += [site(id, 120 + i, manners, role=Role.NEWS) for i, (id, manners) in enumerate(NEWS.items())]
    slow = site("slowpage", 130, Manners()).hosts[0]
    here = Host(name="cdn.test", address="198.18.131.1", role=Role.WEB, listed=Listed.BY_ISP)
    there = replace(here, address="198.18.131.2", listed=Listed.BY_CONTROLS)
    found += [platform("slowpage", replace(slow, pacing_bps=300e3)), platform("cdn", here, there)]
    ran = run(world_of(*found, beside=("linkhub", "talkline")))
    check(ran, {t.id: State.OK for t in ran.report.targets})


def test_broken_sites_accuse_nobody() -> None:
    """Bad certificates, 5xx, dead names and addresses, closed https, every handshake reset, a body that ends early."""
    alive = Host(name="halfdead.test", address="198.18.141.1", role=Role.WEB)
    gone = replace(alive, address="198.18.141.2", dead=True)
    nameless = Host(name="nameless.test", address="198.18.142.1", role=Role.WEB, listed=Listed.NOWHERE)
    found = [site(id, 100 + i, manners) for i, (id, manners) in enumerate(CERTIFICATES.items())]
    found += [
        site("failing", 110, Manners(status=500)),
        site("resetsall", 111, Manners(resets_every_name=True)),
        site("overstated", 112, Manners(overstated_bytes=5000)),
        site("nosecure", 113, Manners(https=Port.CLOSED), role=Role.NEWS),
        site("filteredsecure", 114, Manners(https=Port.FILTERED), role=Role.NEWS),
        platform("halfdead", alive, gone),
        platform("halfgone", *(replace(h, name="halfgone.test", address=f"{h.address}1") for h in (gone, alive))),
        platform("nameless", nameless),
    ]
    ran = run(world_of(*found))
    unclear = {t.id: State.INCONCLUSIVE for t in ran.report.targets}
    check(ran, {**unclear, "failing": State.DOWN, "nameless": State.DOWN})
    assert ran.mechanisms("failing") == {"server.error"}
    assert ran.mechanisms("nameless") == {"server.dead_name"}


def test_media_that_are_gone_or_refuse() -> None:
    """404, too small, moved, 429 after three requests, short of their Content-Length; an upload that is answered early
    and dropped; servers that reset or ignore neutral names."""
    well, refuses = Manners(), Manners(patient_requests=3)
    early = Host(
        name="upload.early.test",
        address="198.18.105.3",
        role=Role.UPLOAD,
        answers_early=True,
        upload_status=403,
        manners=Manners(hangs_up=True),
    )
    ran = run(
        world_of(
            with_media("gone", 100, Manners(status=404), well),
            with_media("small", 101, Manners(object_bytes=20_000), well),
            with_media("moved", 102, Manners(redirect="https://media.small.test/media/1.bin"), well),
            with_media("patience", 103, refuses, refuses),
            with_media("overstated", 104, Manners(overstated_bytes=60_000), well),
            platform("early", early),
            with_media("resetsunknown", 106, NAMES["resetsunknown"]),
            with_media("ignoresunknown", 107, NAMES["ignoresunknown"]),
        )
    )
    unclear = dict.fromkeys(("patience", "overstated", "early"), State.INCONCLUSIVE)
    clear = dict.fromkeys(("gone", "small", "moved", "resetsunknown", "ignoresunknown"), State.OK)
    check(ran, clear | unclear)


def test_media_that_are_slow_for_everybody() -> None:
    """Slow to begin, paced at 300 kbit/s with and without neutral names, an upload that the server stops reading."""
    ran = run(
        world_of(
            with_media("laggard", 100, Manners(first_byte_seconds=2.0)),
            with_media("paced", 101, Manners(), pacing_bps=300e3),
            with_media("pacedstrict", 102, NAMES["resetsunknown"], pacing_bps=300e3),
            with_media("stuck", 103, None, Manners(reads_bytes=30_000)),
            with_media("stuckstrict", 104, None, Manners(reads_bytes=30_000, unknown_names=Unknown.REFUSE)),
        )
    )
    assert ran.state("laggard") is State.OK, ran.told()
    assert {t.verdict.state for t in ran.report.targets} <= UNDECIDED_OR_OK, ran.told()


def test_controls_that_reset_foreign_names() -> None:
    """The control of the comparison is itself no witness then, and a server that resets everybody is not a censor's."""
    odd = (site("resetsall", 100, Manners(resets_every_name=True)), site("strict", 101, NAMES["resetsunknown"]))
    ran = run(with_controls(world_of(*odd, beside=("photogram",)), NAMES["resetsunknown"]))
    check(ran, {"photogram": State.OK, "resetsall": State.INCONCLUSIVE, "strict": State.OK})


def test_controls_that_ignore_foreign_names_and_hosts() -> None:
    odd = (site("othername", 101, CERTIFICATES["othername"]),)
    ignoring = Manners(unknown_names=Unknown.IGNORE, unknown_hosts=Unknown.IGNORE)
    ran = run(with_controls(world_of(*odd, beside=("gazette",)), ignoring))
    check(ran, {"gazette": State.OK, "othername": State.INCONCLUSIVE})


@pytest.mark.parametrize(
    "changes",
    [{"pacing_bps": 100e3}, {"dead": True}, {"manners": Manners(status=404)}],
    ids=["slow", "dead", "gone"],
)
def test_a_bad_control_medium_beside_a_good_one(changes: dict[str, object]) -> None:
    """The target's media refuse neutral names, so that a control is needed."""
    strict = with_media("strict", 100, Manners(unknown_names=Unknown.REFUSE))
    check(run(world_of(strict).changed("speed.northnet.test", **changes)), {"strict": State.OK})


def test_both_encrypted_resolvers_dead() -> None:
    """The addresses of this line's own resolver are proved by handshakes instead."""
    world = world_of(beside=("gazette", "mapfolk"))
    for operator in world.operators:
        world = world.changed(operator.resolver.name, dead=True)
    ran = run(world)
    check(ran, {"gazette": State.OK, "mapfolk": State.OK})
    assert ran.report.network.state is NetworkState.OK


def test_a_slow_resolver_and_controls_that_close_idle_connections() -> None:
    world = world_of(beside=("gazette",)).changed("resolver.isp.test", manners=Manners(first_byte_seconds=2.0))
    for operator in world.operators:
        world = world.changed(operator.resolver.name, manners=Manners(idle_seconds=0.05))
    check(run(world), {"gazette": State.OK})


def test_a_resolver_that_invents_addresses_for_dead_names() -> None:
    nameless = Host(name="nameless.test", address="198.18.142.1", role=Role.WEB, listed=Listed.NOWHERE)
    world = world_of(platform("nameless", nameless), beside=("gazette",))
    ran = run(world.changed("resolver.isp.test", manners=Manners(invents=NOTICE_ADDRESS)))
    check(ran, {"gazette": State.OK, "nameless": State.DOWN})
    assert ran.mechanisms("nameless") == {"server.dead_name"}


def test_a_filter_in_the_home() -> None:
    world = world_of(beside=("gazette", "mapfolk")).changed("resolver.isp.test", address=HOME_RESOLVER_ADDRESS)
    filtered = CensorRule(when=DnsName(pattern=named("mapfolk.test")), do=forged_address("0.0.0.0"))
    with Lab(world=world, rules=[filtered]) as lab:
        ran = measure(lab)
    check(ran, {"gazette": State.OK, "mapfolk": State.INCONCLUSIVE})


def test_a_wrong_clock() -> None:
    """Which is to say: certificates not yet valid, everybody's at once."""
    world = world_of(beside=("gazette",))
    for host in world.hosts:
        world = world.changed(host.name, manners=Manners(certificate=CertificateKind.NOT_YET_VALID))
    ran = run(world)
    check(ran, {"gazette": State.INCONCLUSIVE})
    assert (ran.report.network.rule_id, ran.code) == ("network.clock_wrong", 3)


@pytest.mark.parametrize("line", [UPLINK, LOSSY, THIRD_GENERATION], ids=lambda line: line.name)
def test_poor_lines(line: PathProfile) -> None:
    ran = run(world_of(beside=("birdnet",)), line)
    assert ran.state("birdnet") in UNDECIDED_OR_OK, ran.told()


def test_another_program_downloads_in_bursts() -> None:
    with Lab(world=world_of(beside=("birdnet", "photogram"))) as lab:
        done = lab.directory / "done"
        words = [sys.executable, "-c", CROSS_TRAFFIC, done]
        other = threading.Thread(target=lab.run, args=(words,), kwargs={"timeout": CROSS_SECONDS})
        other.start()
        try:
            ran = measure(lab)
        finally:
            done.touch()
            other.join()
    assert {t.verdict.state for t in ran.report.targets} <= UNDECIDED_OR_OK, ran.told()
