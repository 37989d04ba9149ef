"""Is a run kept whatever the store does, and set beside its own past?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from probe import measuring
from probe.config.watch_file import NetworkKind, VantageSettings
from probe.model.results import Report
from probe.model.targets import Media, MediaUrl, Target
from probe.store import Limits, Store, StoreError, Window
from tests.reports import every_state

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return measuring.open_store(tmp_path, print)


def runs(number: int) -> list[Report]:
    """The same findings again and again, six hours apart."""
    usual = every_state()
    return [
        replace(usual, id=f"01a200cd-0000-7000-8000-{n:012d}", started_at=f"{NOW + n * timedelta(hours=6):%FT%TZ}")
        for n in range(number)
    ]


def test_a_run_is_set_beside_its_past(store: Store) -> None:
    kept = [measuring.keep(report, store, print) for report in runs(5)]
    assert all(target.past is None for target in kept[0].targets)
    assert all(target.past is not None and target.past.runs == 4 for target in kept[4].targets)
    stored = store.report(kept[4].id).targets[0].past
    assert stored is not None
    assert stored.runs == 4
    assert [t.verdict for t in kept[4].targets] == [t.verdict for t in kept[0].targets]
    store.close()


def test_an_interrupted_run_is_kept_at_once(store: Store) -> None:
    first, second = runs(2)
    measuring.keep(first, store, print)
    stopped = replace(second, parameters=replace(second.parameters, interrupted=True))
    assert measuring.keep(stopped, store, print) == stopped
    assert store.report(stopped.id).parameters.interrupted
    store.close()


def test_a_past_that_cannot_be_read_does_not_keep_the_run_from_the_disk(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise StoreError("unreadable")

    (report,), said = runs(1), list[str]()
    with monkeypatch.context() as changes:
        changes.setattr(store, "outcomes", broken)
        measuring.keep(report, store, said.append)
    assert set(said) == {"unreadable"}
    assert store.report(report.id).targets
    store.close()


def test_what_could_be_moved_is_what_all_limits_leave(store: Store) -> None:
    limits = Limits(run=100, day=1_000, month=5_000)
    assert measuring.left_bytes(None, limits) == 100
    store.add_bytes(950)
    assert measuring.left_bytes(store, limits) == 50
    store.add_bytes(5_000)
    assert measuring.left_bytes(store, limits) == 0
    assert store.used_bytes(Window.DAY) == 5_950
    store.close()


def test_uploads_end_with_the_hosts_share_of_the_day(store: Store) -> None:
    upload = MediaUrl(url="https://up.test/file")
    target = Target(id="news", name="News", media=Media(download=(), upload=(upload,)))
    for _ in range(measuring.MAX_UPLOAD_FLOWS_PER_HOST_AND_DAY - 1):
        store.add_upload("up.test")
    assert measuring.without_uploads([target], store, wanted=True) == (target,)
    assert measuring.without_uploads([target], store, wanted=False)[0].media.upload == ()
    store.add_upload("up.test")
    assert measuring.without_uploads([target], store, wanted=True)[0].media.upload == ()
    assert measuring.without_uploads([target], None, wanted=True) == (target,)
    store.close()


def test_the_vantage_point_is_what_the_person_says() -> None:
    said = VantageSettings(instance="attic", country="NL", asn=64500, network=NetworkKind.FIXED)
    assert measuring.vantage_of(said, vpn=True).network == "fixed"
    assert measuring.vantage_of(VantageSettings(), vpn=None).vpn is None
