"""Small streams that the laptop variants of several systems share, so that pictures are stored and nets trained once.

No paper's: pictures of 64 x 86 twelve times a second, DIS flow, residual nets of ten narrow layers, some hundred steps.
"""

from dataclasses import replace

from untrimmed.features.clip_sets import Augmentation, Sampling, TestViews
from untrimmed.features.flow.dis import Dis
from untrimmed.features.images import FlowImages, RgbImages
from untrimmed.features.streams import Stream
from untrimmed.nets.small import Small3d, SmallNet
from untrimmed.train import Schedule

RGB = RgbImages(size=(64, 86), per_second=12)
"""Small frames."""
FLOW = FlowImages(size=(64, 86), per_second=12, method=Dis(), bound=8.0)
"""Small flow."""
SCHEDULE = Schedule(
    steps=300, batch_size=32, optimizer="adamw", learning_rate=3e-3, weight_decay=0.01, decay="cosine", warmup_steps=20
)
"""About a minute on one core for a 2-D net on single pictures."""
CLIP_SCHEDULE = replace(SCHEDULE, batch_size=16)
"""Of 3-D nets, whose items are clips."""

RGB_TSN = Stream(
    net=SmallNet(),
    images=RGB,
    sampling=Sampling(sections=3, frames=1),
    augmentation=Augmentation(),
    schedule=SCHEDULE,
    views=TestViews(positions=8, ten_crop=False),
)
"""TSN on frames: 3 sections of one picture."""
FLOW_TSN = replace(RGB_TSN, images=FLOW, sampling=Sampling(sections=3, frames=5))
"""TSN on flow: 3 sections of five stacked fields."""
RGB_CLIPS = replace(RGB_TSN, net=Small3d(frames=16), sampling=Sampling(sections=1, frames=16), schedule=CLIP_SCHEDULE)
"""A 3-D net on clips of 16 pictures."""
FLOW_CLIPS = replace(RGB_CLIPS, images=FLOW)
"""A 3-D net on clips of 16 fields."""
