"""The systems that are built: one explicit tuple."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from untrimmed.records import DataError
from untrimmed.systems import (
    attention_and_refinement,
    context_captions,
    expert_windows,
    frame_votes,
    inflated_ensemble,
    inflated_resnets_and_heads,
    multi_scale_proposals,
    multiscale_attention,
    multitask_lstm,
    offsets_and_labelling,
    p3d_quantization,
    prop_ssad,
    rc3d,
    separable_3d_stacking,
    shifting_attention,
    six_votes,
    ssn_dense_pose,
    temporal_context,
    three_features,
    three_streams,
    tsn_3d_pose_audio,
    tsn_and_c3d,
)
from untrimmed.systems.saving import system_name
from untrimmed.systems.system import System


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A built system.

    Attributes:
        system: its class.
        published: its configuration with the report's values.
        laptop: the variant that trains on two cores.
    """

    system: type[System[Any]]
    published: Any
    laptop: Any

    @property
    def number(self) -> int:
        """The number of the report."""
        return self.system.number


SYSTEMS: tuple[Entry, ...] = (
    Entry(
        system=three_features.ThreeFeatures,
        published=three_features.ThreeFeaturesConfig(),
        laptop=three_features.LAPTOP,
    ),
    Entry(
        system=expert_windows.ExpertWindows,
        published=expert_windows.ExpertWindowsConfig(),
        laptop=expert_windows.LAPTOP,
    ),
    Entry(
        system=attention_and_refinement.AttentionAndRefinement,
        published=attention_and_refinement.AttentionAndRefinementConfig(),
        laptop=attention_and_refinement.LAPTOP,
    ),
    Entry(system=six_votes.SixVotes, published=six_votes.SixVotesConfig(), laptop=six_votes.LAPTOP),
    Entry(
        system=multiscale_attention.MultiscaleAttention,
        published=multiscale_attention.MultiscaleAttentionConfig(),
        laptop=multiscale_attention.LAPTOP,
    ),
    Entry(system=tsn_and_c3d.TsnAndC3d, published=tsn_and_c3d.TsnAndC3dConfig(), laptop=tsn_and_c3d.LAPTOP),
    Entry(
        system=multi_scale_proposals.MultiScaleProposals,
        published=multi_scale_proposals.MultiScaleProposalsConfig(),
        laptop=multi_scale_proposals.LAPTOP,
    ),
    Entry(
        system=tsn_3d_pose_audio.Tsn3dPoseAudio,
        published=tsn_3d_pose_audio.Tsn3dPoseAudioConfig(),
        laptop=tsn_3d_pose_audio.LAPTOP,
    ),
    Entry(
        system=offsets_and_labelling.OffsetsAndLabelling,
        published=offsets_and_labelling.OffsetsAndLabellingConfig(),
        laptop=offsets_and_labelling.LAPTOP,
    ),
    Entry(system=frame_votes.FrameVotes, published=frame_votes.FrameVotesConfig(), laptop=frame_votes.LAPTOP),
    Entry(
        system=multitask_lstm.MultitaskLstm,
        published=multitask_lstm.MultitaskLstmConfig(),
        laptop=multitask_lstm.LAPTOP,
    ),
    Entry(system=three_streams.ThreeStreams, published=three_streams.ThreeStreamsConfig(), laptop=three_streams.LAPTOP),
    Entry(
        system=shifting_attention.ShiftingAndXception,
        published=shifting_attention.ShiftingAndXceptionConfig(),
        laptop=shifting_attention.LAPTOP,
    ),
    Entry(
        system=separable_3d_stacking.Separable3dStacking,
        published=separable_3d_stacking.Separable3dStackingConfig(),
        laptop=separable_3d_stacking.LAPTOP,
    ),
    Entry(
        system=inflated_ensemble.InflatedEnsemble,
        published=inflated_ensemble.InflatedEnsembleConfig(),
        laptop=inflated_ensemble.LAPTOP,
    ),
    Entry(
        system=inflated_resnets_and_heads.InflatedResnetsAndHeads,
        published=inflated_resnets_and_heads.InflatedResnetsAndHeadsConfig(),
        laptop=inflated_resnets_and_heads.LAPTOP,
    ),
    Entry(
        system=p3d_quantization.P3dQuantization,
        published=p3d_quantization.P3dQuantizationConfig(),
        laptop=p3d_quantization.LAPTOP,
    ),
    Entry(
        system=temporal_context.TemporalContextNetwork,
        published=temporal_context.TemporalContextNetworkConfig(),
        laptop=temporal_context.LAPTOP,
    ),
    Entry(system=prop_ssad.PropSsad, published=prop_ssad.PropSsadConfig(), laptop=prop_ssad.LAPTOP),
    Entry(system=rc3d.Rc3d, published=rc3d.Rc3dConfig(), laptop=rc3d.LAPTOP),
    Entry(
        system=ssn_dense_pose.SsnDensePose,
        published=ssn_dense_pose.SsnDensePoseConfig(),
        laptop=ssn_dense_pose.LAPTOP,
    ),
    Entry(
        system=context_captions.ContextCaptions,
        published=context_captions.ContextCaptionsConfig(),
        laptop=context_captions.LAPTOP,
    ),
)


def entry_of(number: int) -> Entry:
    """The built system of one report.

    Raises:
        DataError: when there is no report of that number.
    """
    for entry in SYSTEMS:
        if entry.number == number:
            return entry
    raise DataError(f"number of a system must be 1 to {len(SYSTEMS)}, got {number} (see untrimmed systems)")


def load_system(folder: Path) -> System[Any]:
    """The trained system in a folder, whichever of the catalogue it is.

    Raises:
        DataError: when the folder holds none.
    """
    name = system_name(folder)
    for entry in SYSTEMS:
        if entry.system.__name__ == name:
            return entry.system.load(folder)
    raise DataError(f"{folder} holds a system {name!r} that this version does not know")
