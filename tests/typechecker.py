"""The run-time type checker of the tests: beartype, with an int allowed where a float is asked for.

jaxtyping's hook decorates methods one by one, where beartype cannot know what Self is, so Self is not checked.
"""

from typing import Self

from beartype import BeartypeConf, FrozenDict, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True, hint_overrides=FrozenDict({Self: object})))
