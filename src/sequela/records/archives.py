"""Files inside of a folder or an archive, one after the other, without writing anything to disk."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from sequela.errors import RecordsError

_ZIP = b"PK"
_COMPRESSED: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_MOST_PACKED = 200  # times smaller; text becomes some ten times so, and what fills the memory a thousand times
_LARGEST = 64 << 20  # a file of one person's text; what claims to be larger is damaged, or made to fill the memory
_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, NotImplementedError, RuntimeError,
    UnicodeError, ValueError,
)  # fmt: skip
Member = tuple[str, bytes | None]


def members(path: Path, source: str, wanted: Callable[[str], bool]) -> Iterator[Member]:
    """Each file below a folder or in an archive: its name there, and its bytes (None: not wanted, not read).

    A folder is walked in the order of names, an archive in its own order. Links in an archive are no files.

    Args:
        path: a folder, or an archive (.zip, or .tar plain or compressed by gzip, bzip2 or xz).
        source: what the user wrote, for messages.
        wanted: whether a file is read, by its name without folders.

    Raises:
        RecordsError: no such path, neither folder nor archive, a damaged archive, a file beyond 64 MiB.
    """
    if not path.exists():
        raise RecordsError(source, "there is no such file or folder", "Check `path` of the table")
    try:
        yield from _reader(path)(path, source, wanted)
    except _DAMAGE:
        raise _damaged(source) from None
    except OSError:
        raise RecordsError(source, "it cannot be read", "Check the path and its permissions") from None


def _reader(path: Path) -> Callable[[Path, str, Callable[[str], bool]], Iterator[Member]]:
    if path.is_dir():
        return _of_folder
    return _of_zip if _starts_with(path, _ZIP) else _of_tar


def _damaged(source: str) -> RecordsError:
    return RecordsError(source, "the archive is cut off, damaged or locked by a password", "Fetch or write it again")


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _of_folder(path: Path, source: str, wanted: Callable[[str], bool]) -> Iterator[Member]:
    for file in sorted(path.rglob("*")):
        if file.is_file():
            name = file.relative_to(path).as_posix()
            if wanted(file.name):
                _refuse_large(file.stat().st_size, name, source)
            yield name, file.read_bytes() if wanted(file.name) else None


def _of_tar(path: Path, source: str, wanted: Callable[[str], bool]) -> Iterator[Member]:
    data = _unpacked(path.read_bytes(), source)
    with _tar(data, source) as archive:
        for member in archive:
            if not member.isfile():
                continue
            if not wanted(member.name.rpartition("/")[2]):
                yield member.name, None
                continue
            _refuse_large(member.size, member.name, source)
            content = archive.extractfile(member)
            yield member.name, b"" if content is None else content.read()
        # tarfile takes a damaged or missing header for the end, which is a block of zeros.
        if data[archive.offset : archive.offset + tarfile.BLOCKSIZE] != bytes(tarfile.BLOCKSIZE):
            raise _damaged(source)


def _tar(data: bytes, source: str) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=io.BytesIO(data), mode="r:")
    except tarfile.ReadError:
        remedy = "Name a folder of text files, or an archive of them (.zip, .tar, .tar.gz, .tar.xz)"
        raise RecordsError(source, "this is neither a folder nor an archive", remedy) from None


def _unpacked(data: bytes, source: str) -> bytes:
    """The whole archive without its compression, so that its check sums and its end are looked at."""
    opened = next((opened for magic, opened in _COMPRESSED.items() if data.startswith(magic)), None)
    if opened is None:
        return data
    parts, left = [], _LARGEST + _MOST_PACKED * len(data)
    try:
        with opened(io.BytesIO(data)) as file:
            while left >= 0 and (part := file.read(1 << 20)):
                parts.append(part)
                left -= len(part)
    except OSError as error:  # what gzip and bz2 say of damage; not a matter of the file system
        raise EOFError from error
    if left < 0:
        problem = f"it unpacks to more than {_MOST_PACKED} times its size, as what is made to fill the memory does"
        raise RecordsError(source, problem, "Unpack it into a folder, and name that")
    return b"".join(parts)


def _of_zip(path: Path, source: str, wanted: Callable[[str], bool]) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            if not wanted(member.filename.rpartition("/")[2]):
                yield member.filename, None
                continue
            _refuse_large(member.file_size, member.filename, source)
            yield member.filename, archive.read(member)


def _refuse_large(size: int, name: str, source: str) -> None:
    if size > _LARGEST:
        problem = f"the file is larger than {_LARGEST >> 20} MiB, and should hold one person's records"
        raise RecordsError(f"{source}/{name}", problem, "Take it out of the table's path")
