"""In which encoding a text file is written: UTF-8 where all of it is, else the one that its letters fit.

A file that is valid UTF-8 is never read as anything else. The other encodings are judged on the lines that are not
ASCII, and the whole file must then decode.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from charset_normalizer import from_bytes

from aftercast.operations.errors import InputError, SettingsError

BLOCK: Final = 8 << 20
EVIDENCE: Final = 64 << 10
"""Bytes of lines beyond ASCII that are judged."""
UTF16: Final = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
WESTERN: Final = ("cp1252", "cp1250", "iso8859_15")
COMMON_SHARE: Final = 0.9
HINT: Final = 'If you know it, write in fleet.toml: [files] encoding = "gb18030", for example.'

Opener = Callable[[], BinaryIO]


def find_encoding(opened: Opener, name: str) -> str:
    """Name of the encoding of a text file.

    Raises
    ------
    InputError
        If it is neither UTF-8 nor any encoding its letters fit; names the line of the first such byte.
    """
    with opened() as file:
        start = file.read(4096)
    if start[:2] in UTF16:
        return UTF16[start[:2]]
    if start.count(0) > 0.2 * len(start):
        return "utf-16-le" if start[1::2].count(0) >= start[::2].count(0) else "utf-16-be"
    line = _first_undecodable(opened, "utf-8")
    if line is None:
        return "utf-8"
    guess = _guess(_evidence(opened))
    if guess is not None and _first_undecodable(opened, guess) is None:
        return guess
    raise InputError(f"{name} is not UTF-8 text from line {line:,} on, and no other encoding fits it.", HINT)


def require_encoding(opened: Opener, encoding: str, name: str) -> None:
    """Raise SettingsError for an encoding nobody knows, InputError where the file is not written in it."""
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise SettingsError(f"There is no encoding '{encoding}'.", "Use utf-8, gb18030, utf-16 or cp1252.") from error
    line = _first_undecodable(opened, encoding)
    if line is not None:
        raise InputError(f"{name} is not {encoding} text: line {line:,} cannot be read.", "Leave out the encoding.")


def _first_undecodable(opened: Opener, encoding: str) -> int | None:
    """Line, from 1, of the first bytes that are not of the encoding; None where all are."""
    decoder = codecs.getincrementaldecoder(encoding)()
    ascii_like, before = not encoding.startswith("utf-16"), 0
    for block in _blocks(opened):
        held = len(decoder.getstate()[0])
        try:
            if held or not (ascii_like and block.isascii()):
                decoder.decode(block)
        except UnicodeDecodeError as error:
            return _line_at(opened, before - held + error.start)
        before += len(block)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return _line_at(opened, before)
    return None


def _line_at(opened: Opener, offset: int) -> int:
    """Line, from 1, in which a byte stands."""
    lines, left = 1, offset
    for block in _blocks(opened):
        lines += block[: max(0, left)].count(b"\n")
        left -= len(block)
        if left <= 0:
            break
    return lines


def _evidence(opened: Opener) -> bytes:
    """Lines beyond ASCII, the first of the file."""
    kept, size = [], 0
    for block in _blocks(opened):
        if block.isascii():
            continue
        for line in block.split(b"\n"):
            if not line.isascii():
                kept.append(line)
                size += len(line)
        if size > EVIDENCE:
            break
    return b"\n".join(kept)[:EVIDENCE].rpartition(b"\n")[0] or b"\n".join(kept)


def _guess(sample: bytes) -> str | None:
    if _is_chinese(sample):
        return "gb18030"
    for encoding in WESTERN:
        if _is_western(sample, encoding):
            return encoding
    best = from_bytes(sample).best()
    return None if best is None else best.encoding


def _is_chinese(sample: bytes) -> bool:
    """Whether nearly all characters are among the 3,755 most used ones of GB 2312, or its punctuation."""
    try:
        letters = [letter for letter in sample.decode("gb18030") if not letter.isascii()]
    except UnicodeDecodeError:
        return False
    written = [letter.encode("gb2312", "ignore") for letter in letters]
    usual = sum(1 for pair in written if pair and (0xB0 <= pair[0] <= 0xD7 or pair[0] <= 0xA3))
    return usual >= COMMON_SHARE * max(1, len(letters))


def _is_western(sample: bytes, encoding: str) -> bool:
    """Whether bytes beyond ASCII stand alone or in pairs, as accents do, and are letters between letters."""
    runs = re.findall(rb"[\x80-\xff]+", sample)
    if sum(len(run) for run in runs if len(run) <= 2) < 0.8 * sum(map(len, runs)):
        return False
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    inside = re.findall(r"(?<=[A-Za-z])[^\x00-\x7f](?=[A-Za-z])", text)
    return all(letter.isalpha() for letter in inside)


def _blocks(opened: Opener) -> Iterator[bytes]:
    with opened() as file:
        while block := file.read(BLOCK):
            yield block
