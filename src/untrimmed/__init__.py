"""untrimmed: find, name and describe what happens in long videos."""

__version__ = "0.1.0"
