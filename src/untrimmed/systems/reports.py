"""The twenty-two reports of the ActivityNet Challenge 2017: what each enters, sees and published.

Figures are the reports' own, on the real data sets: T1 top-1 error or accuracy in percent, T2 mean of top-1 and top-5
error, T3 area under AR-AN, T4 average mAP, T5 METEOR.
"""

from dataclasses import dataclass

from untrimmed.records import Task

T1, T2, T3, T4, T5 = Task


@dataclass(frozen=True, kw_only=True)
class Report:
    """One report of the challenge.

    Attributes:
        number: 1 to 22.
        title: what its system is, in a few words.
        tasks: those it entered.
        inputs: the streams and features it looks at.
        published: its main figures.
    """

    number: int
    title: str
    tasks: tuple[Task, ...]
    inputs: str
    published: str


def _report(number: int, title: str, tasks: tuple[Task, ...], inputs: str, published: str) -> Report:
    return Report(number=number, title=title, tasks=tasks, inputs=inputs, published=published)


REPORTS: tuple[Report, ...] = (
    _report(1, "Three features, SVMs, two ways of voting", (T1,), "MBH, C3D, frame net", "top-1 74.5 (test)"),
    _report(2, "CNN and C3D, mixture of experts, windows", (T1,), "frame net, C3D", "no figure in the report"),
    _report(3, "TSN, attention, class-wise refinement", (T1,), "rgb, flow, objects, audio", "error 8.8, rank 1"),
    _report(4, "Six votes", (T1,), "trajectories, C3D, frame net", "no figure in the report"),
    _report(5, "Multi-scale attention over two streams", (T2,), "rgb, flow", "top-1/top-5 72.6/89.8 (val)"),
    _report(6, "TSN and C3D compared, camera motion removed", (T1, T2), "rgb, flow", "T1 top-1 72.7 (val)"),
    _report(7, "Multi-scale 3D CNN proposals", (T1, T2, T3), "rgb clips", "T1 64.8 (val), T2 68.9, T3 51.6"),
    _report(8, "TSN in 3D, pose, audio, SSN", (T1, T2, T4), "rgb, flow, pose, audio", "9.79, 13.9, 31.86, rank 2 each"),
    _report(9, "Offset regression, dynamic programming", (T1, T2, T4), "rgb, flow", "T1 error 18.8, T4 21.7 (val)"),
    _report(10, "Votes of a net on C3D, merged runs", (T1, T3, T4), "C3D, frame net, MBH", "0.368 error, 39.85, 0.132"),
    _report(11, "Multi-task LSTM", (T1, T4), "C3D, frame net, MBH", "T1 67, T4 mAP 0.15 (val)"),
    _report(12, "Three streams: RGB, flow, pose", (T2,), "rgb, flow, pose maps", "error 0.218"),
    _report(13, "Shifting attention, temporal Xception", (T2,), "rgb, flow, audio", "error 12.4, rank 1"),
    _report(14, "BesNet, clustering, stacking", (T2,), "rgb, flow, audio", "error 14.4, rank 3"),
    _report(15, "Inflated 3D networks", (T2,), "rgb clips, flow clips", "top-1/top-5 77.0/93.0 (val)"),
    _report(16, "Inflated ResNets, depth and motion", (T2,), "rgb clips, depth, motion", "error 24.3"),
    _report(17, "P3D, deep quantization, A3", (T2, T3, T5), "rgb, flow, trajectories", "T3 63.12 (val), T5 12.84"),
    _report(18, "Temporal context network", (T3,), "two-stream scores", "61.56, rank 3"),
    _report(19, "Prop-SSAD refined by TAG", (T3, T4), "two-stream features", "64.80 and 33.40, rank 1 both"),
    _report(20, "R-C3D", (T4,), "rgb frames, end to end", "16.7 (test)"),
    _report(21, "SSN with dense human pose", (T4,), "rgb, flow, dense pose", "31.83, rank 3"),
    _report(22, "Captions with temporal attention and contexts", (T5,), "C3D, frame net", "9.62, rank 3"),
)
