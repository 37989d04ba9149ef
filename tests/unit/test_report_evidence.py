"""Is what the evidence holds told completely: whom the probe contacted, how long it took, what each pair compared?"""

from dataclasses import replace
from random import Random

import pytest

from probe.checks import dns, goodput
from probe.failure import Failure
from probe.formats.contacts import SYSTEM_RESOLVER, contacted
from probe.formats.markup import Html, element, join
from probe.formats.plots import plot_curves, plot_pairs
from probe.formats.timings import timings
from probe.formats.transfers import conditions, described, mean_bps
from probe.model.observations import Direction, Engine
from tests.curves import Shape, curve
from tests.factories import (
    dns_evidence,
    dns_query,
    goodput_measurement,
    goodput_series,
    http_evidence,
    measurement,
    reach_evidence,
    tls_evidence,
)
from tests.reports import every_state


def test_every_place_is_named_once_with_what_it_was_contacted_for() -> None:
    found = {c.place: c for c in contacted(every_state().targets[1].measurements)}
    target = found["192.0.2.10:443"]
    assert target.purposes == ("TCP", "TLS", "HTTPS", "download", "upload")
    assert target.names == ("birdsite.example", "media.target.example", "example.com")
    assert found["198.51.100.7:443"].names == ()
    assert found["192.0.2.53 port 53"].purposes == ("DNS",)
    assert found["203.0.113.53 port 443"].names == ("resolver.example",)


def test_the_systems_resolver_has_no_address() -> None:
    query = replace(dns_query("a.example", ()), engine=Engine.GETADDRINFO, resolver_address="")
    evidence = dns.Evidence(
        hostname="a.example", system=(query,), control=(), decoy=(), handshakes=(), control_handshakes=()
    )
    (contact,) = contacted([measurement("dns", evidence)])
    assert (contact.place, contact.names) == (SYSTEM_RESOLVER, ("a.example",))


def test_every_endpoint_in_the_evidence_is_among_the_contacts() -> None:
    for result in every_state().targets:
        places = {c.place for c in contacted(result.measurements)}
        for made in result.measurements:
            if isinstance(made.attempt.evidence, goodput.Evidence):
                for series in (made.attempt.evidence.download, made.attempt.evidence.upload):
                    assert series is not None
                    assert {str(trial.transfer.endpoint) for trial in series.trials} <= places


def test_phases_are_told_in_order_with_their_failure() -> None:
    made = [
        measurement("dns", dns_evidence("a.example", system_failure=Failure.DNS_NXDOMAIN), subject="a.example"),
        measurement("reach", reach_evidence("a.example"), subject="a.example"),
        measurement("tls", tls_evidence("a.example", failure=Failure.CONNECTION_RESET), subject="a.example"),
        measurement("http", http_evidence("a.example"), subject="a.example"),
    ]
    found = timings(made)
    assert [t.phase for t in found] == ["DNS", "DNS, encrypted", "TCP", "TLS", "HTTPS"]
    assert [t.failure for t in found] == ["dns_nxdomain_error", "", "", "connection_reset", ""]
    assert found[2].seconds == pytest.approx(0.041)
    assert all(t.seconds >= 0 for t in found)


def test_conditions_name_each_run_of_pairs() -> None:
    slowed = goodput_series(Direction.DOWNLOAD, Shape.POLICED)
    assert list(conditions(slowed)) == [
        "pairs 1 to 2: a neutral name at the target's address",
        "pairs 3 to 4: a neutral name at the target's address, measured again with fresh flows",
    ]
    swapped = {goodput.Arm.TARGET: goodput.Arm.FOREIGN, goodput.Arm.NEUTRAL: goodput.Arm.CONTROL}
    foreign = replace(slowed, trials=tuple(replace(t, arm=swapped[t.arm]) for t in slowed.trials[:2]))
    assert list(conditions(foreign)) == ["pair 1: both names at a control's address"]
    servers = replace(
        slowed,
        trials=tuple(
            replace(t, arm=goodput.Arm.CONTROL) if t.arm is goodput.Arm.NEUTRAL else t for t in slowed.trials[:4]
        ),
    )
    assert list(conditions(servers)) == ["pairs 1 to 2: a control's server"]


def test_a_transfer_that_moved_nothing_is_told_and_drawn() -> None:
    series = goodput_series(Direction.UPLOAD, Shape.STALLED, pairs=2)
    silent = tuple(
        replace(t, transfer=replace(t.transfer, num_bytes=0, t_request=None)) if t.arm is goodput.Arm.TARGET else t
        for t in series.trials
    )
    series = replace(series, trials=silent)
    assert mean_bps(next(t for t in silent if t.arm is goodput.Arm.TARGET).transfer) is None
    assert described(series).startswith("pair 1: target no bytes, control ")
    assert plot_pairs(series, label="Upload", salt="a") is not None


def test_nothing_is_drawn_of_nothing() -> None:
    empty = replace(goodput_series(Direction.UPLOAD, Shape.CLEAN), trials=())
    assert plot_pairs(empty, label="Upload", salt="a") is None
    assert plot_curves(empty, label="Upload", salt="a") is None
    assert described(empty) == ""
    assert list(conditions(empty)) == []


def test_plots_bring_nothing_along() -> None:
    measured = goodput_measurement("t", download=Shape.SHAPED).attempt.evidence
    assert isinstance(measured, goodput.Evidence)
    assert measured.download is not None
    for drawn in (
        plot_pairs(measured.download, label='a "<b>', salt="a"),
        plot_curves(measured.download, label='a "<b>', salt="a"),
    ):
        assert drawn is not None
        assert drawn.startswith('<svg role="img" aria-label="a &quot;&lt;b&gt;" viewBox="')
        for unwanted in ("<style", "<metadata", "<?xml", "<!", "http", "#0", "<script", 'id="axes'):
            assert unwanted not in drawn


def test_markup_escapes_all_but_itself() -> None:
    inner = element("b", "<i>", title='"><i>')
    assert inner == '<b title="&quot;&gt;&lt;i&gt;">&lt;i&gt;</b>'
    assert element("p", "a & ", inner, " b") == f"<p>a &amp; {inner} b</p>"
    assert isinstance(join("x", inner), Html)
    assert element("a", "x", href=None, class_="y", aria_label="z") == '<a class="y" aria-label="z">x</a>'


def test_curves_of_the_factories_look_like_their_names() -> None:
    random = Random(1)
    clean, cut = curve(Shape.CLEAN, num_bytes=262_144, deadline_seconds=4, start=0, random=random, limit_bps=18e6)
    assert not cut
    assert clean.num_bytes[-1] == 262_144
    for shape in (Shape.POLICED, Shape.SHAPED, Shape.STALLED):
        slow, cut = curve(shape, num_bytes=262_144, deadline_seconds=4, start=0, random=random)
        assert cut
        assert len(slow.t) == len(slow.num_bytes) <= 256
        assert list(slow.num_bytes) == sorted(slow.num_bytes)
