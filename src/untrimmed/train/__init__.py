"""Training: batches to loss to step to checkpoint to resume, on one device or many, in one plain loop."""

from untrimmed.train.batches import Items
from untrimmed.train.log import History, LogRow
from untrimmed.train.loop import fit
from untrimmed.train.schedule import Run, Schedule

__all__ = ["History", "Items", "LogRow", "Run", "Schedule", "fit"]
