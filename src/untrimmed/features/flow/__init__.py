"""Optical flow between neighbouring frames, and what is left of it when the camera's own motion is taken away."""
