"""Which members, variants and fusions of systems 03, 05, 08 and 12 to 17 are measured, and the findings on them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from untrimmed.cli.findings import Finding

if TYPE_CHECKING:
    from untrimmed.cli.measures.learnt_nets import LearntNets
    from untrimmed.features.members import Member
    from untrimmed.fuse.fusion import AnyFusion


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What is measured of one system on one data set.

    Attributes:
        number: of its report.
        config: its laptop variant, with the nets that it is given.
        variants: members that its findings compare with; they are trained beside it.
        mixes: names of members whose equal mean has a row.
        fusions: other ways of fusing its own members.
        streams: members whose view of twins is shown, and their titles.
    """

    number: int
    config: Any
    variants: "tuple[Member, ...]" = ()
    mixes: tuple[tuple[str, ...], ...] = ()
    fusions: "tuple[AnyFusion, ...]" = ()
    streams: tuple[tuple[str, str], ...] = ()


def of_trimmed(nets: "LearntNets", flat: Path) -> list[Measured]:
    """T2: systems 05, 08 and 12 to 17.

    Args:
        nets: of joints and depth.
        flat: a 2-D net for the inflated ones to start from.
    """
    from untrimmed.features.clip_sets import Sampling
    from untrimmed.features.given_files import with_feature_weights
    from untrimmed.features.laptop_streams import RGB_CLIPS
    from untrimmed.features.members import Member
    from untrimmed.fuse.fusion import Equal, Highest, Majority, Stacked
    from untrimmed.nets.pose1d import SMALL_FLAT
    from untrimmed.nets.small_inflated import SmallInflated
    from untrimmed.systems import inflated_ensemble as fifteen
    from untrimmed.systems import inflated_resnets_and_heads as sixteen
    from untrimmed.systems import multiscale_attention as five
    from untrimmed.systems import p3d_quantization as seventeen
    from untrimmed.systems import separable_3d_stacking as fourteen
    from untrimmed.systems import shifting_attention as thirteen
    from untrimmed.systems import three_streams as twelve
    from untrimmed.systems import tsn_3d_pose_audio as eight

    posed = eight.with_pose(eight.LAPTOP, nets.pose)
    posed = replace(posed, members=tuple(one for one in posed.members if one.name not in ("untrimmed", "attention")))
    by_name: dict[str, Any] = {one.name: one.classifier for one in posed.members}
    single = Sampling(sections=1)
    besnet = fourteen.LAPTOP.besnet
    inflated = replace(RGB_CLIPS, sampling=Sampling(sections=1, frames=8))
    inflated = replace(inflated, schedule=replace(inflated.schedule, steps=100, warmup_steps=10))
    starts = {
        "inflated from the centre, 100 steps": SmallInflated(weights=flat),
        "inflated by replication, 100 steps": SmallInflated(weights=flat, init="replicate"),
        "no 3x3 inflated, 100 steps": SmallInflated(weights=flat, which="pools"),
    }
    quantized = [one.name for one in seventeen.LAPTOP.members]
    return [
        Measured(
            number=5,
            config=five.LAPTOP,
            mixes=(("rgb_101", "flow_101"),),
            streams=(("rgb_101", "rgb pictures"), ("flow_101", "flow")),
        ),
        Measured(
            number=8,
            config=posed,
            variants=(
                Member(name="rgb, one section", classifier=replace(by_name["rgb"], sampling=single)),
                Member(name="audio, one patch", classifier=replace(by_name["audio"], sampling=single)),
                Member(name="pose, flat", classifier=replace(by_name["pose"], head=SMALL_FLAT)),
            ),
            mixes=(("rgb", "flow"), ("rgb", "flow", "audio"), ("rgb", "flow", "pose")),
            streams=(("audio", "sound"), ("pose", "key points")),
        ),
        Measured(
            number=12,
            config=with_feature_weights(twelve.LAPTOP, {"joints": nets.pose}),
            mixes=(("rgb", "flow"), ("rgb", "pose"), ("rgb", "flow", "pose")),
            streams=(("pose", "joint maps"),),
        ),
        Measured(number=13, config=thirteen.LAPTOP, streams=(("attention", "rgb, flow and sound"),)),
        Measured(
            number=14,
            config=fourteen.LAPTOP,
            variants=(Member(name="besnet, nothing mined", classifier=replace(besnet, hard_mining=None)),),
            fusions=(Equal(), Highest(), Majority(), Stacked()),
        ),
        Measured(
            number=15,
            config=fifteen.LAPTOP,
            variants=(
                *(replace(one, name=f"{one.name}, one scale") for one in fifteen.one_scale(fifteen.LAPTOP).members),
                *(Member(name=name, classifier=replace(inflated, net=net)) for name, net in starts.items()),
                Member(name="clips of 16", classifier=RGB_CLIPS),
            ),
            mixes=(("long_rgb", "wide_rgb"), ("long_rgb", "long_flow")),
            streams=(("long_rgb", "rgb clips"), ("long_flow", "flow clips")),
        ),
        Measured(
            number=16,
            config=sixteen.with_starts(sixteen.LAPTOP, two_frame=nets.depth),
            streams=(("depth_motion", "depth and motion"),),
        ),
        Measured(
            number=17,
            config=seventeen.LAPTOP,
            mixes=(tuple(name for name in quantized if name.endswith("_mean")),),
            streams=(("trajectories", "trajectories"),),
        ),
    ]


def of_untrimmed(nets: "LearntNets") -> list[Measured]:
    """T1: systems 03 and 08."""
    from untrimmed.systems import attention_and_refinement as three
    from untrimmed.systems import tsn_3d_pose_audio as eight

    return [
        Measured(number=3, config=three.LAPTOP, mixes=(("rgb", "flow"), ("rgb", "attention"))),
        Measured(number=8, config=eight.with_pose(eight.LAPTOP, nets.pose), mixes=(("rgb", "flow"),)),
    ]


def _of(system: int, claim: str, published: str, left: str, right: str, figure: str = "top-1") -> Finding:
    task = "T1" if system == 3 else "T2"
    names = {"left": f"{system:02d} {left}", "right": f"{system:02d} {right}"}
    return Finding(system=system, claim=claim, published=published, task=task, figure=figure, **names)


FINDINGS: tuple[Finding, ...] = (
    _of(5, "attention above average pooling, same trunk", "71.1 against 69.9", "rgb_attention", "rgb_101"),
    _of(5, "RGB and flow above RGB", "72.6 against 69.9", "rgb_101 + flow_101", "rgb_101"),
    _of(8, "re-balancing helps", "in words", "rgb, thinned classes, re-balanced", "rgb, thinned classes"),
    _of(8, "TSN above one section", "in words", "rgb", "rgb, one section"),
    _of(8, "hierarchical above flat pose", "24.11 against 20.13", "pose", "pose, flat"),
    _of(8, "audio TSN above one patch", "23.10 against 19.44", "audio", "audio, one patch"),
    _of(8, "sound helps two streams", "in words", "rgb + flow + audio", "rgb + flow"),
    _of(12, "pose helps RGB", "in words, a little", "rgb + pose", "rgb"),
    _of(12, "pose helps RGB and flow", "error 0.2180 against 0.2178: no", "rgb + flow + pose", "rgb + flow"),
    *(
        Finding(
            system=13,
            claim=f"the ensemble above {name}",
            published="in words",
            task="T2",
            left="13 the whole",
            right=f"13 {name}",
            figure="top-1",
        )
        for name in ("attention", "xception", "multi_stream", "fast_forward")
    ),
    _of(14, "hard mining helps", "72 against 70", "besnet", "besnet, nothing mined"),
    _of(14, "stacking above the maximum", "78 against 77", "fused: Stacked", "fused: Highest"),
    _of(14, "the maximum above the average", "77 against 71", "fused: Highest", "fused: Equal"),
    _of(14, "the majority above the average", "72 against 71", "fused: Majority", "fused: Equal"),
    _of(
        15,
        "the centre converges sooner than replication",
        "in words",
        "inflated from the centre, 100 steps",
        "inflated by replication, 100 steps",
    ),
    _of(
        15,
        "all 3x3 inflated above none",
        "68.32 against 61.0",
        "inflated from the centre, 100 steps",
        "no 3x3 inflated, 100 steps",
    ),
    _of(15, "several scales above one", "73.21 against 72.18", "long_rgb", "long_rgb, one scale"),
    _of(15, "longer clips above shorter ones", "in words, 96 against 64", "long_rgb, one scale", "clips of 16"),
    _of(15, "RGB and flow above two RGB", "75.05 against less", "long_rgb + long_flow", "long_rgb + wide_rgb"),
    _of(16, "an LSTM helps top-5", "in words", "clips_lstm", "clips", "top-5"),
    _of(16, "an LSTM helps top-1", "in words: no", "clips_lstm", "clips"),
    _of(16, "1-D convolutions help top-5", "in words", "clips_convolutions", "clips", "top-5"),
    _of(16, "1-D convolutions help top-1", "in words: no", "clips_convolutions", "clips"),
    _of(3, "refinement helps", "9.54 against 12.66 error, with more", "the whole", "unrefined"),
    _of(3, "attention beside RGB", "in words", "rgb + attention", "rgb"),
    _of(17, "quantization above the mean, frames", "71.50 against 70.70", "frame_quantized", "frame_mean"),
    _of(17, "quantization above the mean, clips", "72.66 against 71.24", "clip_quantized", "clip_mean"),
)
