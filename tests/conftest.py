"""What all tests share: one thread a process, and the small playground, drawn once."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def small_playground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a playground that is drawn in seconds."""
    import torch

    from small_world import draw

    torch.set_num_threads(1)
    return draw(tmp_path_factory.mktemp("small") / "playground")
