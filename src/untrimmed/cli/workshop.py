"""A folder in which systems are trained, scored and compared: what `demo` and `results` share.

Everything slow is kept in the folder: the drawn data set, the features, the trained systems, the rows of figures. A
second call takes what is there, a killed one goes on.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from untrimmed.configs import content_hash
from untrimmed.files import write_text
from untrimmed.records import DataError, Dataset

if TYPE_CHECKING:
    from rich.console import Console

    from untrimmed.data.playground import PlaygroundConfig
    from untrimmed.features.store import FeatureStore
    from untrimmed.systems.system import System
    from untrimmed.train import Run

S = TypeVar("S", bound="System[Any]")


@dataclass(frozen=True)
class Row:
    """One line of a table of results: who, in which task, with which figures in percent."""

    task: str
    name: str
    figures: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Where things lie.

    Attributes:
        folder: of everything.
        playground: what is drawn.
        seed: of every training.
        console: where progress and news go.
        systems: folder of the trained systems.
    """

    folder: Path
    playground: "PlaygroundConfig"
    seed: int
    console: "Console"
    systems: Path = field(default=Path("systems"))

    @property
    def store(self) -> "FeatureStore":
        """The measured features."""
        from untrimmed.features.store import FeatureStore

        return FeatureStore(self.folder / "features")

    @property
    def shown(self) -> bool:
        """Whether progress is shown."""
        return self.console.is_terminal

    def draw(self) -> tuple[Dataset, Dataset]:
        """Draw the playground, where it is not there yet; its untrimmed and its trimmed part."""
        from untrimmed.data import open_dataset
        from untrimmed.data.playground import write_playground

        place = self.folder / "playground"
        with self.step("the data set is drawn"):
            write_playground(place, self.playground, progress=self.shown)
        return open_dataset(place / "untrimmed"), open_dataset(place / "trimmed")

    def trained(self, system: S, dataset: Dataset, *, name: str, work: str | None = None) -> S:
        """The system fitted on a data set: loaded if its folder is there, else fitted and saved.

        Args:
            system: not yet fitted.
            dataset: what it learns from.
            name: of its folder.
            work: of the folder of its checkpoints; systems that share one share the trainings with equal names.

        Raises:
            DataError: when the folder holds a system of another configuration.
        """
        place = self.folder / self.systems / name
        if (place / "config.json").exists():
            found = type(system).load(place)
            if content_hash(found.config) != content_hash(system.config):  # files that it carries lie elsewhere now
                raise DataError(f"{place} holds a system of another configuration; remove the folder to train anew")
            return found
        with self.step(f"system {system.number:02d} ({name}) is trained"):
            system.fit(dataset, store=self.store, run=self.run(work or name))
            system.save(place)
        return system

    def run(self, work: str) -> "Run":
        """Where trainings of this seed keep their checkpoints."""
        from untrimmed.train import Run

        folder = self.folder / "training" / f"seed-{self.seed}" / work
        return Run(folder=folder, seed=self.seed, progress=self.shown)

    def rows(self, name: str, identity: Any, measure: Callable[[], Iterator[Row]]) -> list[Row]:
        """Rows of figures, measured once: a file keeps them for the next call with an equal identity."""
        path = self.folder / "rows" / f"{name}-{content_hash((self.playground, self.seed, identity))}.json"
        if path.exists():
            return [Row(**item) for item in json.loads(path.read_text(encoding="utf-8"))]
        with self.step(f"{name} is scored"):
            found = list(measure())
        plain = [{"task": row.task, "name": row.name, "figures": row.figures} for row in found]
        write_text(path, json.dumps(plain, indent=1))
        return found

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Say when something begins and how long it took."""
        import time

        begun = time.monotonic()
        yield
        spent = time.monotonic() - begun
        if spent > 1:
            self.console.print(f"[dim]{spent:5.0f} s[/] {what}", highlight=False)


def table_of(rows: Sequence[Row], console: "Console") -> None:
    """Print rows as one table a task."""
    from rich.table import Table

    titles = {
        "T1": "T1 untrimmed classification (testing part, percent)",
        "T2": "T2 trimmed recognition (testing part, percent)",
        "T3": "T3 proposals (testing part, percent)",
        "T4": "T4 localization (testing part, percent)",
        "T5": "T5 dense captions (testing part, percent)",
        "T5, rules 2017-06": "T5 dense captions, rules 2017-06 (testing part, percent)",
        "twins": "twins told apart by each stream (testing part, percent; chance 50)",
        "joints": "joints found within a fifth of the torso (testing part of the pose playground, percent)",
    }
    for task in dict.fromkeys(row.task for row in rows):
        mine = [row for row in rows if row.task == task]
        names = list(dict.fromkeys(name for row in mine for name in row.figures))
        table = Table("", *names, title=titles[task], title_justify="left")
        for row in mine:
            table.add_row(row.name, *(f"{row.figures[name]:.1f}" if name in row.figures else "" for name in names))
        console.print(table)
