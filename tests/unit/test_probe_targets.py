"""What `/probe` may be pointed at, and how long a probe may take: no question opens a way to anywhere else."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.config.watch_file import ProbeModule
from probe.config.watch_file import Prober as ProberKind
from probe.model.targets import Controls, Endpoint, Target
from probe.watch.probe_request import BadTimeout, timeout
from probe.watch.probe_targets import Catalogue, Place, UnknownTarget

TCP = ProbeModule(name="tcp", prober=ProberKind.TCP)
TARGETS = (
    Target(id="birdnet", name="Birdnet", sites=("https://birdnet.test/", "http://m.birdnet.test/home?x=1")),
    Target(id="talk", name="Talk", services=(Endpoint(address="192.0.2.1", port=5222),)),
    Target(id="gazette", name="Gazette", sites=("https://gazette.test:8443/",)),
    Target(id="media", name="Media only"),
)
CATALOGUE = Catalogue(TARGETS, Controls(resolvers=(), names=(), sites=(), media=()))


@pytest.mark.parametrize(
    ("asked", "url"),
    [
        ("birdnet", "https://birdnet.test/"),
        ("https://birdnet.test/", "https://birdnet.test/"),
        ("https://birdnet.test", "https://birdnet.test/"),
        ("http://birdnet.test/", "http://birdnet.test/"),
        ("birdnet.test", "http://birdnet.test/"),
        ("https://BirdNet.test./", "https://birdnet.test/"),  # another spelling is no other question to the server
        ("https://birdnet.test:0443/", "https://birdnet.test/"),
        ("http://m.birdnet.test/home?x=1", "http://m.birdnet.test/home?x=1"),
        ("https://gazette.test:8443/", "https://gazette.test:8443/"),
        ("192.0.2.1:5222", "http://192.0.2.1:5222/"),
    ],
)
def test_urls_that_may_be_asked_for(asked: str, url: str) -> None:
    assert CATALOGUE.url(asked) == url


@pytest.mark.parametrize(
    "asked",
    [
        "evil.test",
        "https://evil.test/",
        "https://birdnet.test/admin",
        "https://birdnet.test/?q=1",
        "https://birdnet.test:8443/",
        "https://birdnet.test@evil.test/",
        "https://user:secret@birdnet.test/",
        "https://birdnet.test.evil.test/",
        "http://127.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "file:///etc/passwd",
        "gopher://birdnet.test/",
        "http://birdnet.test:99999/",
        "http://[birdnet.test/",
        "birdnet.test\r\nX: y",
        "birdnet.test#fragment",
        "",
        "media",
        "talk",
    ],
)
def test_urls_that_may_not(asked: str) -> None:
    with pytest.raises(UnknownTarget):
        CATALOGUE.url(asked)


@pytest.mark.parametrize(
    ("asked", "port", "place"),
    [
        ("birdnet", None, Place(host="birdnet.test", port=443)),
        ("talk", None, Place(host="192.0.2.1", port=5222)),
        ("tcp://192.0.2.1:5222", None, Place(host="192.0.2.1", port=5222)),
        ("192.0.2.1:5222", None, Place(host="192.0.2.1", port=5222)),
        ("birdnet.test:80", None, Place(host="birdnet.test", port=80)),
        ("birdnet.test", None, Place(host="birdnet.test", port=443)),
        ("https://gazette.test:8443/", None, Place(host="gazette.test", port=8443)),
        ("birdnet", 993, Place(host="birdnet.test", port=993)),
    ],
)
def test_places_that_may_be_connected_to(asked: str, port: int | None, place: Place) -> None:
    assert CATALOGUE.place(asked, port=port) == place


@pytest.mark.parametrize(
    "asked", ["birdnet.test:22", "192.0.2.1:22", "192.0.2.2:5222", "localhost:22", "media", "[::1]:80"]
)
def test_places_that_may_not(asked: str) -> None:
    with pytest.raises(UnknownTarget):
        CATALOGUE.place(asked, port=None)


def test_an_address_has_no_name_to_look_up() -> None:
    assert CATALOGUE.name("birdnet") == "birdnet.test"
    with pytest.raises(UnknownTarget, match="no name"):
        CATALOGUE.name("talk")


def test_redirects_stay_among_friends() -> None:
    assert CATALOGUE.may_follow("www.birdnet.test", "birdnet.test")
    assert CATALOGUE.may_follow("gazette.test", "birdnet.test")
    assert not CATALOGUE.may_follow("evil.test", "birdnet.test")
    assert not CATALOGUE.may_follow("127.0.0.1", "birdnet.test")


@settings(max_examples=300)
@given(text=st.text(max_size=60) | st.from_regex(r"(https?|tcp)://[a-z\[\]:@/?#.0-9-]{0,30}"))
def test_no_text_makes_a_mistake_of_ours(text: str) -> None:
    for ask in (CATALOGUE.url, CATALOGUE.name, CATALOGUE.host, lambda t: CATALOGUE.place(t, port=None)):
        with contextlib.suppress(UnknownTarget):
            ask(text)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 10.0), ("", 10.0), ("5", 4.5), ("60", 10.0), ("0.4", 10.0), ("0", 10.0), ("1e1", 9.5)],
)
def test_the_scrapes_timeout(header: str | None, seconds: float) -> None:
    assert timeout(header, TCP) == seconds


@pytest.mark.parametrize("header", ["x", "nan", "inf", "-1", "5s", "1,5"])
def test_a_timeout_that_is_none(header: str) -> None:
    with pytest.raises(BadTimeout):
        timeout(header, TCP)
