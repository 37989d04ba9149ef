"""Fixtures that several unit tests use."""

import pytest

from tests.stores import Calendar


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()
