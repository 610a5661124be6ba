"""All heads from rows in time to logits, as one type for configurations; heads of several sources take lists."""

from untrimmed.aggregate.heads import ConvolutionHeadConfig, LstmHeadConfig
from untrimmed.aggregate.selection import SelectionConfig
from untrimmed.aggregate.shifting import MultiGroupConfig
from untrimmed.aggregate.temporal_xception import TemporalXceptionConfig
from untrimmed.classify.maxout import MaxoutHeadConfig, PreluHeadConfig
from untrimmed.nets.deep_speech import DeepSpeech
from untrimmed.nets.grouped_head import GroupedHeadConfig
from untrimmed.nets.pose1d import FlatPose, HierarchicalPose
from untrimmed.nets.sequence_models import FastForward, MultiStream

OneHead = (
    ConvolutionHeadConfig
    | DeepSpeech
    | FlatPose
    | GroupedHeadConfig
    | HierarchicalPose
    | LstmHeadConfig
    | MaxoutHeadConfig
    | PreluHeadConfig
    | SelectionConfig
)
"""build(dims, classes) gives a module of (rows, lengths)."""
SeveralHead = FastForward | MultiGroupConfig | MultiStream | TemporalXceptionConfig
"""build(dims of each source, classes) gives a module of (rows of each source, lengths of each source)."""
AnyHead = OneHead | SeveralHead
