"""The two ways in which a benchmark does not happen."""


class Unavailable(Exception):
    """Something that is needed is not on this machine. The message says what, and how to get it."""


class Broken(Exception):
    """A program did not start, died, or answered nonsense. The message holds the end of what it printed."""
