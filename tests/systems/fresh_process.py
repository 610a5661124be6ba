"""A second process that loads saved systems and predicts: what no object of the first one can help along.

One such process serves a whole test run, since importing torch takes seconds. It reads a JSON line a task and answers
with one; it ends with its input, so that it never outlives the tests.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from untrimmed.records import Prediction, Video

LONGEST = 300.0
"""Seconds that one answer may take, on a machine that does much else."""


class FreshProcess:
    """The process as its caller sees it."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        """Take a process that serves tasks, and the file that its standard error goes to."""
        self._process, self._log = process, log

    def reloaded(self, folder: Path, *, dataset: Path, store: Path, videos: Sequence[Video]) -> dict[str, Any]:
        """What the saved system in a folder is and says there.

        Args:
            folder: that save wrote.
            dataset: the folder of the data set that has the videos.
            store: of features.
            videos: that are predicted, in order.

        Returns:
            {"system": class name, "keys": of its features, "predictions": plain ones}.

        Raises:
            AssertionError: with the traceback, when loading or predicting fails there or takes too long.
        """
        places = {"folder": str(folder), "dataset": str(dataset), "store": str(store)}
        answer = self._asked({**places, "videos": [video.video_id for video in videos]})
        assert "error" not in answer, f"in the fresh process:\n{answer['error']}"
        return answer

    def _asked(self, task: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        watch = threading.Timer(LONGEST, self._process.kill)
        watch.start()
        try:
            self._process.stdin.write(json.dumps(task) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:  # it died before
            line = ""
        finally:
            watch.cancel()
        if not line:
            said = self._log.read_text(errors="replace")[-4000:]
            raise AssertionError(f"the fresh process ended with {self._process.wait()}; it said:\n{said}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def fresh_process() -> Iterator[FreshProcess]:
    """A process that serves until the end of the block, then is gone.

    It hashes words in an order of its own, so that what depends on the order of a set comes out differently.
    """
    environment = {**os.environ, "PYTHONHASHSEED": "2017"}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.txt"
        with log.open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
            )
        try:
            yield FreshProcess(process, log)
        finally:
            assert process.stdin is not None
            assert process.stdout is not None
            process.kill()
            process.wait()
            process.stdout.close()
            with suppress(BrokenPipeError):  # what it did not read is lost with it
                process.stdin.close()


def plain(predictions: Sequence[Prediction]) -> Any:
    """Predictions as JSON gives them back; floats keep every bit."""
    return json.loads(json.dumps([_flat(prediction) for prediction in predictions], default=float))


def _flat(prediction: Prediction) -> list[Any]:
    classes = prediction.classes.best(1000) if prediction.classes is not None else []
    lists = [*(prediction.proposals or ()), *(prediction.detections or ()), *(prediction.captions or ())]
    return [
        prediction.video.video_id,
        classes,
        [(item.segment, item.score, vars(item).get("label"), vars(item).get("sentence")) for item in lists],
    ]


def _serve(tasks: IO[str], answers: IO[str]) -> None:
    import torch

    from untrimmed.systems.catalogue import load_system

    torch.set_num_threads(1)
    warnings.simplefilter("error")  # as in the tests
    for line in tasks:
        task = json.loads(line)
        try:
            answer = _answer(load_system(Path(task["folder"])), task)
        except Exception:
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _answer(system: Any, task: dict[str, Any]) -> dict[str, Any]:
    from untrimmed.data import open_dataset
    from untrimmed.features.store import FeatureStore

    known = {video.video_id: video for video in open_dataset(Path(task["dataset"])).videos}
    videos = [known[video_id] for video_id in task["videos"]]
    said = list(system.predict(videos, store=FeatureStore(Path(task["store"]))))
    keys = [feature.key for feature in system.features()]
    return {"system": type(system).__name__, "keys": keys, "predictions": plain(said)}


if __name__ == "__main__":
    private = os.fdopen(os.dup(1), "w")  # what a library prints must not stand between the answers
    os.dup2(2, 1)
    _serve(sys.stdin, private)
