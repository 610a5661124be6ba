"""Completeness: one classifier a class that tells whole instances of it from pieces, learnt with a hinge."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def class_hinge(
    scores: Float[Tensor, "*some classes"], labels: Int[Tensor, "*some"], complete: Bool[Tensor, "*some"]
) -> Float[Tensor, "*some"]:
    """max(0, 1 - s) for what is complete and max(0, 1 + s) for what is not; s is the score of its own class.

    A proposal says nothing to the classifiers of other classes.

    Args:
        scores: of every class.
        labels: class of each proposal, from 0.
        complete: whether it is a whole instance.

    Source: SSN (Zhao et al., ICCV 2017), section 3.3, and its released program.
    """
    own = scores.gather(-1, labels[..., None])[..., 0]
    return (1 - torch.where(complete, own, -own)).relu()


def hardest(
    losses: Float[Tensor, "groups members"], among: Bool[Tensor, "groups members"], *, share: float
) -> Bool[Tensor, "groups members"]:
    """The members of each group with the highest losses: floor(share * n) of its n, but one at least if it has any.

    Args:
        losses: of every member.
        among: the members that count; the others are never taken.
        share: in (0, 1].

    Source: online hard example mining (Shrivastava et al., CVPR 2016); report 08, section 4.1; the released program
        of SSN keeps int(6 * 0.17) = 1 of the 6 incomplete proposals of a video.
    """
    count = among.sum(dim=1, keepdim=True)
    wanted = torch.minimum(count, (count * share).floor().long().clamp(min=1))
    order = losses.detach().masked_fill(~among, -torch.inf).argsort(dim=1, descending=True, stable=True)
    return among & (order.argsort(dim=1) < wanted)


def completeness_loss(
    scores: Float[Tensor, "videos proposals classes"],
    labels: Int[Tensor, "videos proposals"],
    complete: Bool[Tensor, "videos proposals"],
    incomplete: Bool[Tensor, "videos proposals"],
    *,
    share: float,
) -> Float[Tensor, ""]:
    """The mean hinge over all complete proposals and the hardest of the incomplete ones of each video.

    Args:
        scores: completeness of every class.
        labels: class of each proposal, from 0; that of the instance it is a piece of.
        complete: the foreground.
        incomplete: pieces of instances; proposals that are neither do not count.
        share: of the incomplete ones that are kept, in (0, 1].

    Source: SSN, section 3.3; its released program.
    """
    losses = class_hinge(scores, labels, complete)
    used = complete | hardest(losses, incomplete, share=share)
    return (losses * used).sum() / used.sum().clamp(min=1)
