"""One set of plans for all tests: with checked types a plan takes a tenth of a second."""

import pytest

from untrimmed.data.playground import PlaygroundConfig, untrimmed_plans
from untrimmed.data.playground.plan import VideoPlan


@pytest.fixture(scope="session")
def plans() -> list[VideoPlan]:
    return untrimmed_plans(PlaygroundConfig(training=60, validation=20, testing=20))
