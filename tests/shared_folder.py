"""Where real third-party material may lie: a folder `shared` beside the checkout; tests skip without it."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parent.parent.parent / "shared"


def shared(relative: str) -> Path:
    """The path of one file or folder of the real material; skips the test, naming what is absent."""
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"needs shared/{relative}, which is not on this machine")
    return path
