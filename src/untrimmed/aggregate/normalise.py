"""How aggregated vectors are made comparable: powers that even out bursts, and unit length."""

import numpy as np
from jaxtyping import Float


def signed_power(values: Float[np.ndarray, "*shape"], power: float = 0.5) -> Float[np.ndarray, "*shape"]:
    """sign(v) |v|^power of each number; 0.5 is the signed square root, 1 changes nothing.

    Source: Perronnin et al., Improving the Fisher kernel for large-scale image classification, ECCV 2010, section 3.2.

    >>> signed_power(np.array([-4.0, 0.0, 9.0])).tolist()
    [-2.0, 0.0, 3.0]
    """
    return np.copysign(np.abs(values) ** power, values)


def unit_length(values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Divided by the Euclidean length along the last axis; what has no length stays zero.

    >>> unit_length(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    return np.divide(values, length, out=np.zeros_like(values), where=length > 0)
