"""How far an extraction is: videos, seconds of video a second, time left."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn


class ExtractProgress:
    """A line on standard error that is renewed after each video; nothing at all where it is not wanted."""

    def __init__(self, videos: int, seconds: float, *, shown: bool) -> None:
        """Begin with so many videos of so many seconds in all."""
        self._seconds = seconds
        self._done = 0.0
        self._begin = time.perf_counter()
        self._bar = Progress(
            TextColumn("extract"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[failed]}", style="red"),
            console=Console(stderr=True),
            disable=not shown,
        )
        self._task = self._bar.add_task("extract", total=videos, speed="", left="", failed="")

    def advance(self, seconds: float, *, failed: int) -> None:
        """One more video of so many seconds is done; so many have failed until now."""
        self._done += seconds
        spent = max(1e-6, time.perf_counter() - self._begin)
        speed = self._done / spent
        self._bar.update(
            self._task,
            advance=1,
            speed=f"{speed:.1f} x real time",
            left=f"{clock((self._seconds - self._done) / speed)} left" if speed > 0 else "",
            failed=f"{failed} failed" if failed else "",
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    whole = max(0, round(seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
