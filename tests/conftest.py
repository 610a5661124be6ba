"""What all tests share: one thread a process, the small playground, drawn once, and how workers divide the tests."""

from pathlib import Path

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each file goes to one worker as a whole, for its fixtures' sake; the contract test goes system by system."""
    for item in items:
        parameters = getattr(item, "callspec", None)
        system = f"-{parameters.id}" if item.path.name == "test_contract.py" and parameters else ""
        item.add_marker(pytest.mark.xdist_group(f"{item.path.stem}{system}"))


@pytest.fixture(scope="session")
def small_playground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a playground that is drawn in seconds."""
    import torch

    from small_world import draw

    torch.set_num_threads(1)
    return draw(tmp_path_factory.mktemp("small") / "playground")
