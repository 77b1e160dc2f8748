"""Owns how a text of somebody else is shown to a person: as what it is, never as what it would do to a terminal.

Merchants may send what they like. An end of a line or an escape sequence among it would write lines of its own, or over
those that are there, for whoever has to decide by them.
"""


def visible(text: str) -> str:
    r"""The text on one line, with all that does not print spelt: ``\n``, ``\x1b``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _spelt(each) for each in text)


def _spelt(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
