"""TAG the plain way: python loops over lists, written from the description of the released program and of the paper."""

import math


def softmax_foreground(scores: list[list[float]]) -> list[float]:
    out = []
    for background, action in scores:
        top = max(background, action)
        a, b = math.exp(background - top), math.exp(action - top)
        out.append(b / (a + b))
    return out


def smoothed(curve: list[float], sigma: float) -> list[float]:
    radius = int(4 * sigma + 0.5)
    weights = [math.exp(-0.5 * (i / sigma) ** 2) for i in range(-radius, radius + 1)]
    whole = sum(weights)
    period = 2 * len(curve)
    out = []
    for i in range(len(curve)):
        value = 0.0
        for j, weight in enumerate(weights):
            place = (i + j - radius) % period
            value += weight * (curve[place] if place < len(curve) else curve[period - 1 - place])
        out.append(value / whole)
    return out


def runs(curve: list[float], threshold: float) -> list[tuple[int, int]]:
    found, start = [], None
    for i, value in enumerate([*curve, -math.inf]):
        if value > threshold and start is None:
            start = i
        elif not value > threshold and start is not None:
            found.append((start, i))
            start = None
    return found


def released_boxes(
    curve: list[float], raw: list[float], threshold: float, tolerance: float
) -> list[tuple[int, int, float]]:
    steps = len(curve)
    pieces = runs(curve, threshold)
    ups, downs = [up for up, _ in pieces], [down for _, down in pieces]
    cost, zeros = [], 0
    for value in curve:
        zeros += not value > threshold
        cost.append(zeros)
    signal = [cost[i] - tolerance * i for i in range(steps)]
    boxes = []
    for x in range(len(ups)):
        for y in range(x + 1, len(ups)):
            if signal[ups[y]] > signal[ups[x]]:
                boxes.append((ups[x], downs[y - 1] + 1, sum(raw[ups[x] : downs[y - 1] + 1])))
                break
        else:
            boxes.append((ups[x], downs[-1] + 1, sum(raw[ups[x] : downs[-1] + 1])))
    at_end = [signal[down] if down < steps else signal[-1] - tolerance for down in downs]
    for x in range(len(downs) - 1, -1, -1):
        for y in range(x - 1, -1, -1):
            if at_end[y] < at_end[x]:
                boxes.append((ups[y + 1], downs[x] + 1, sum(raw[ups[y + 1] : downs[x] + 1])))
                break
        else:
            boxes.append((ups[0], downs[x] + 1, sum(raw[0 : downs[x] + 2])))
    return boxes


def paper_boxes(curve: list[float], threshold: float, tolerance_percent: int) -> list[tuple[int, int]]:
    pieces = runs(curve, threshold)
    boxes = []
    for x, (start, end) in enumerate(pieces):
        active = end - start
        for next_start, next_end in pieces[x + 1 :]:
            active += next_end - next_start
            idle = (next_end - start) - active
            if 100 * idle > tolerance_percent * (next_end - start):
                break
            end = next_end
        boxes.append((start, end))
    return boxes


def inclusive_nms(boxes: list[tuple[int, int, float]], tiou: float) -> list[tuple[int, int, float]]:
    left = sorted(boxes, key=lambda box: -box[2])
    kept = []
    while left:
        start, end, score = left.pop(0)
        kept.append((start, end, score))
        rest = []
        for box in left:
            shared = max(0, min(end, box[1]) - max(start, box[0]) + 1)
            union = (end - start + 1) + (box[1] - box[0] + 1) - shared
            if shared / union <= tiou:
                rest.append(box)
        left = rest
    return kept


def released(
    scores: list[list[float]], thresholds: tuple[float, ...], tolerances: tuple[float, ...]
) -> list[tuple[int, int, float]]:
    curve = smoothed(softmax_foreground(scores), 3)
    raw = [action for _, action in scores]
    boxes = []
    for threshold in thresholds:
        for tolerance in tolerances:
            boxes += released_boxes(curve, raw, threshold, tolerance)
    return inclusive_nms(boxes, 0.9)
