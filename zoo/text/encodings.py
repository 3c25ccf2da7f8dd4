"""Encodings of text files, whose byte order marks are not part of the text."""

import codecs

WRONG = {
    "\0": "text without null characters, which UTF-16 read in another encoding has "
    "(--encoding utf-16-le or utf-16-be)",
    "\r": "one kind of line end: CR is inside a line that ends with LF",
}
"""Characters that no line of a text has, and what is expected instead."""
_MARKS = {
    "utf-8": (codecs.BOM_UTF8,),
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
}


def codec_of(encoding: str) -> str:
    """Return the name of the codec of an encoding of text.

    Args:
        encoding: any name of it.

    Raises:
        ValueError: if there is none, or it is not one of text.
    """
    try:
        if encoding.isascii() and encoding.isprintable():
            # A codec of text cannot encode half of a character.
            "\ud800".encode(encoding)
    except UnicodeError:
        return codecs.lookup(encoding).name
    except LookupError:
        pass
    raise ValueError(
        f"--encoding {encoding}: no such encoding of text; expected one such as utf-8, "
        "utf-16-le, latin-1 or cp1251"
    )


def codec_without_mark(codec: str, start: bytes) -> str:
    """Return the codec that skips the byte order mark of a text, if there is one.

    Args:
        codec: from `codec_of`.
        start: the first four bytes of the text.

    Raises:
        ValueError: if only a mark would tell the byte order, and there is none; the
            message says what was expected.
    """
    base = codec.removesuffix("-le").removesuffix("-be").removesuffix("-sig")
    has_mark = start.startswith(_MARKS.get(base, ()))
    if base == "utf-8":  # without a mark, utf-8-sig skips one that is cut off
        return "utf-8-sig" if has_mark else "utf-8"
    if codec in _MARKS and start and not has_mark:
        raise ValueError(
            f"a byte order mark at the start, as in {codec}; without one, name the "
            f"order with --encoding {base}-le or {base}-be"
        )
    return base if has_mark else codec
