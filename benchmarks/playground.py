"""How fast the playground is drawn: seconds of video a CPU second, sound and encoding included."""

import tempfile
from pathlib import Path

from benchmarks.table import Row, at_least, cpu_seconds
from untrimmed.data.playground import PlaygroundConfig, untrimmed_plans
from untrimmed.data.playground.raster import draw
from untrimmed.data.playground.sound import synthesise
from untrimmed.data.playground.truth import video_truth
from untrimmed.data.playground.write import draw_video, video_path


def run() -> list[Row]:
    """Real time over CPU time of four untrimmed videos of the default configuration, and where the time goes."""
    import cv2

    config = PlaygroundConfig()
    plans = untrimmed_plans(config)[:4]
    seconds = sum(plan.duration for plan in plans)
    note = f"{config.width}x{config.height}, {config.fps} frames/s, sound at {config.audio_rate} Hz"
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for plan in plans:
                video_path(folder, plan).parent.mkdir(parents=True, exist_ok=True)

            def everything() -> None:
                for plan in plans:
                    draw_video(folder, config, plan)

            def pictures() -> None:
                for plan in plans:
                    for _ in draw(plan, config):
                        pass

            def sounds() -> None:
                for plan in plans:
                    synthesise(plan, config.audio_rate, difficulty=config.difficulty)

            def truths() -> None:
                video_truth(plans[0], config)

            whole = cpu_seconds(everything, repeat=2)
            return [
                at_least("real time over CPU time, encoded", seconds / whole, 20, note=note),
                Row(what="share of it spent on pictures", value=cpu_seconds(pictures) / whole),
                Row(what="share of it spent on sound", value=cpu_seconds(sounds) / whole),
                Row(what="truth of one frame", value=1000 * cpu_seconds(truths) / int(plans[0].duration), unit="ms"),
            ]
    finally:
        cv2.setNumThreads(threads)
