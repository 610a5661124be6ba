"""All heads from rows in time to logits, as one type for configurations; heads of several sources take lists."""

from untrimmed.aggregate.heads import ConvolutionHeadConfig, LstmHeadConfig
from untrimmed.aggregate.selection import SelectionConfig
from untrimmed.aggregate.shifting import MultiGroupConfig
from untrimmed.aggregate.temporal_xception import TemporalXceptionConfig

OneHead = ConvolutionHeadConfig | LstmHeadConfig | SelectionConfig
"""build(dims, classes) gives a module of (rows, lengths)."""
SeveralHead = MultiGroupConfig | TemporalXceptionConfig
"""build(dims of each source, classes) gives a module of (rows of each source, lengths of each source)."""
AnyHead = OneHead | SeveralHead
