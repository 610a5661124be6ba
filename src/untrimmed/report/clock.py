"""Times and texts as files for people have them: the clock to the second or the millisecond, and only what is seen."""


def milliseconds(seconds: float) -> int:
    """The nearest whole number of milliseconds."""
    return round(seconds * 1000)


def clock(time: int, point: str) -> str:
    """Milliseconds (>= 0) as `hh:mm:ss.mmm`, with hours always, the point as given."""
    seconds, rest = divmod(time, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{rest:03}"


def short_clock(seconds: float) -> str:
    """Seconds (>= 0) as people write them, `m:ss` or `h:mm:ss`, cut to the whole second so that no start is missed."""
    whole = int(seconds)
    minutes = f"{whole // 60 % 60}:{whole % 60:02}"
    return minutes if whole < 3600 else f"{whole // 3600}:{minutes:0>5}"


def visible(text: str) -> str:
    """The text on one line: what cannot be seen becomes a blank, and blanks become one."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
