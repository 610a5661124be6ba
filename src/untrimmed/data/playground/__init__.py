"""The playground: a data set that is drawn, not downloaded, with videos, sound and truth for all five tasks.

`write_playground(folder, config)` draws it; `classes` says what its twenty classes are and which stream tells each
pair apart.
"""

from untrimmed.data.playground.classes import CLASSES, LABELS
from untrimmed.data.playground.config import DEMO, PlaygroundConfig
from untrimmed.data.playground.write import trimmed_plans, untrimmed_plans, write_playground

__all__ = ["CLASSES", "DEMO", "LABELS", "PlaygroundConfig", "trimmed_plans", "untrimmed_plans", "write_playground"]
