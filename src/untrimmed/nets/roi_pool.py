"""Region pooling in time: the maximum over the steps of each segment, in a fixed number of parts."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from untrimmed.records import DataError

TOLERANCE = 1e-6
"""Steps by which an edge may miss a whole number and still count as one."""


def roi_pool(
    maps: Float[Tensor, "n dims steps height width"],
    owners: Int[Tensor, " segments"],
    segments: Float[Tensor, "segments 2"],
    *,
    size: tuple[int, int, int] = (1, 4, 4),
) -> Float[Tensor, "segments dims parts high wide"]:
    """3-D region pooling: every segment gives the same volume, however long it is.

    A segment takes all steps that it touches and the whole of their area. Steps and area are cut into parts x high x
    wide pieces, piece i of a side of length l being [floor(i l / k), ceil((i + 1) l / k)), and the maximum of each is
    taken. The area is pooled once for all segments, and the maximum over steps comes from a table of
    maxima over 1, 2, 4 ... steps, so that the cost of a segment does not depend on its length.

    Args:
        maps: features of several sequences.
        owners: the sequence that each segment lies in.
        segments: in steps; they are cut to [0, steps] and keep one step at least.
        size: parts in time, pieces along height and width.

    Source: report 20 (R-C3D), section 3.3; Fast R-CNN (Girshick, ICCV 2015), section 2.1, along time.
    """
    parts, high, wide = size
    if min(size) < 1:
        raise DataError(f"region pooling needs a size of positive numbers, got {size}")
    n, dims, steps = maps.shape[:3]
    area = nn.functional.adaptive_max_pool2d(maps.transpose(1, 2).flatten(0, 1), (high, wide))
    rows = area.reshape(n, steps, -1)
    ranges = step_parts(segments, steps, parts=parts)
    pooled = range_maximum(rows, owners.repeat_interleave(parts), ranges.reshape(-1, 2))
    return pooled.reshape(len(segments), parts, dims, high, wide).transpose(1, 2)


def step_parts(segments: Float[Tensor, "segments 2"], steps: int, *, parts: int) -> Int[Tensor, "segments {parts} 2"]:
    """The steps [first, past) that each part of each segment takes, one at least."""
    first = torch.floor(segments[:, 0] + TOLERANCE).clamp(0, steps - 1)
    past = torch.ceil(segments[:, 1] - TOLERANCE).clamp(max=steps).maximum(first + 1)
    length = (past - first).long()[:, None]
    number = torch.arange(parts, device=segments.device)[None, :]
    begin = first.long()[:, None] + number * length // parts
    end = first.long()[:, None] + -(-(number + 1) * length // parts)
    return torch.stack([begin, end], dim=2)


def range_maximum(
    rows: Float[Tensor, "n steps dims"], owners: Int[Tensor, " ranges"], ranges: Int[Tensor, "ranges 2"]
) -> Float[Tensor, "ranges dims"]:
    """The maximum of each column over steps [first, past) of one of the sequences.

    Args:
        rows: several sequences.
        owners: the sequence of each range.
        ranges: first and past, at least one step, inside the sequence.
    """
    first, past = ranges[:, 0], ranges[:, 1]
    length = past - first
    if len(ranges) and (int(length.min()) < 1 or int(first.min()) < 0 or int(past.max()) > rows.shape[1]):
        raise DataError(f"ranges must have one step at least and lie in the {rows.shape[1]} steps of their sequence")
    found, places = [], []
    table, span, longest = rows, 1, int(length.max()) if len(ranges) else 0
    while span <= longest:  # table[:, i] is the maximum over [i, i + span)
        here = torch.nonzero((length >= span) & (length < 2 * span)).flatten()
        owner = owners[here]
        found.append(torch.maximum(table[owner, first[here]], table[owner, past[here] - span]))
        places.append(here)
        if 2 * span <= longest:
            table = torch.maximum(table[:, :-span], table[:, span:])
        span *= 2
    if not found:
        return rows.new_zeros(0, rows.shape[2])
    order = torch.cat(places)
    return torch.cat(found)[torch.argsort(order)]
