"""Profiles of the property tests: the same examples on every run, and a longer search on demand.

`pytest --long`, or HYPOTHESIS_PROFILE=long in the environment, draws fresh examples, twenty times as many.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = "pytester"

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=False)
settings.register_profile(
    "long", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="search with fresh random examples, twenty times as many")


def pytest_configure(config):
    long = config.getoption("--long")
    settings.load_profile("long" if long else os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture
def table():
    """The table of operations; rows that a test adds are gone afterwards."""
    from autograd import ops

    before = dict(ops.TABLE)
    yield ops.TABLE
    ops.TABLE.clear()
    ops.TABLE.update(before)
