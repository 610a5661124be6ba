"""Memory of `untrimmed analyze` on a long video against a short one: it must not grow with the length."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.table import Row, at_most

SHORT_SECONDS, LONG_SECONDS = 120, 7200
SIZE = (144, 192)
RATE = 12
SYSTEMS = Path("demo/systems")


def run() -> list[Row]:
    """Peak memory on two hours over that on two minutes, all systems of the demo."""
    if not SYSTEMS.is_dir():
        return [Row(what="analyze: memory", value=float("nan"), note=f"needs {SYSTEMS}: run make demo first")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        short = _peak(_video(folder / "short.mp4", SHORT_SECONDS), folder / "short")
        long = _peak(_video(folder / "long.mp4", LONG_SECONDS), folder / "long")
    note = f"{short / 2**20:.0f} MiB on {SHORT_SECONDS} s, {long / 2**20:.0f} MiB on {LONG_SECONDS} s, largest process"
    return [at_most("analyze: memory on 2 hours / on 2 minutes", long / short, 1.1, note=note)]


def _video(path: Path, seconds: int) -> Path:
    """A drawn minute, repeated: something moves all the time."""
    from untrimmed.media.writer import write_video

    rng = np.random.default_rng(0)
    ground = rng.integers(0, 255, (*SIZE, 3)).astype(np.uint8)

    def frames() -> "object":
        for index in range(seconds * RATE):
            image = ground.copy()
            x = index % (SIZE[1] - 24)
            image[40:90, x : x + 24] = (220, 60, 40)
            yield image

    write_video(path, frames(), fps=RATE)  # type: ignore[arg-type]
    return path


def _peak(video: Path, output: Path) -> int:
    """Bytes that the largest process of one call held."""
    code = (
        "import resource, sys\n"
        "from untrimmed.cli import call\n"
        "status = call(sys.argv[1:])\n"
        "peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]\n"
        "print('PEAK', max(peaks)); sys.exit(status)\n"
    )
    words = ["analyze", str(video), "--output", str(output), "--systems", str(SYSTEMS)]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    return int(done.stdout.split("PEAK")[1]) * unit
