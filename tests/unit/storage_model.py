"""What a disk that loses what was not fsynced has to do, written down as slowly and plainly as possible: byte by byte."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class File:
    """`sure`: what would be there after a power loss. `known`: whether an fsync has something to do."""

    live: bytearray = field(default_factory=bytearray)
    sure: bytes = b""
    dirty: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)
    known: bool = True


class Model:
    """Names are paths, files are their order of creation, directories the names that DIRECTORIES says."""

    def __init__(self) -> None:
        self.files: list[File] = []
        self.names: dict[str, int] = {}
        self.sure_names: dict[str, int] = {}
        self.cuts: list[tuple[int, int]] = []
        self.concerned: set[int | str] = set()

    def create(self, path: str) -> None:
        self.files.append(File())
        self.names[path] = len(self.files) - 1
        self.concerned |= {self.names[path], _directory(path)}

    def link(self, old: str, new: str) -> None:
        self.names[new] = self.names[old]
        self.concerned |= {self.names[old], _directory(new)}

    def unlink(self, path: str) -> None:
        self.concerned |= {self.names.pop(path), _directory(path)}

    def rename(self, old: str, new: str) -> None:
        if self.names[old] == self.names.get(new):
            return
        if new in self.names:
            self.unlink(new)
        self.names[new] = self.names.pop(old)
        self.concerned |= {self.names[new], _directory(old), _directory(new)}

    def write(self, number: int, data: bytes, offset: int) -> None:
        if not self._may_come_back(number):
            return
        file = self.files[number]
        end = offset + len(data)
        file.live.extend(bytes(max(0, end - len(file.live))))
        file.live[offset:end] = data
        file.dirty |= set(range(offset, end))
        file.lost -= set(range(offset, end))
        file.known = True

    def truncate(self, number: int, size: int) -> None:
        if not self._may_come_back(number):
            return
        file = self.files[number]
        if size < len(file.live):
            self.cuts.append((number, size))
            self.concerned.add(number)
        file.live[size:] = bytes(max(0, size - len(file.live)))
        file.dirty = {byte for byte in file.dirty if byte < size}
        file.lost = {byte for byte in file.lost if byte < size}
        file.known = True

    def sync(self, number: int, *, data_only: bool) -> None:
        file = self.files[number]
        if number in self.concerned or (file.known and (not data_only or len(file.live) != len(file.sure))):
            self._commit()
        before = file.sure
        file.sure = bytes(
            (before[at] if at < len(before) else 0) if at in file.lost else byte
            for at, byte in enumerate(file.live)
        )
        file.dirty.clear()
        file.known = bool(file.lost)

    def fail(self, number: int) -> None:
        file = self.files[number]
        file.lost |= file.dirty
        file.dirty.clear()

    def sync_directory(self, directory: str) -> None:
        if directory in self.concerned:
            self._commit()

    def drop(self) -> None:
        self.names = dict(self.sure_names)
        self.cuts.clear()
        self.concerned.clear()
        for file in self.files:
            file.live = bytearray(file.sure)
            file.dirty.clear()
            file.lost.clear()
            file.known = False

    def contents(self) -> dict[str, bytes]:
        return {path: bytes(self.files[number].live) for path, number in self.names.items()}

    def _may_come_back(self, number: int) -> bool:
        """A file whose last name has surely been removed is of no interest."""
        return number in self.names.values() or number in self.sure_names.values() or number in self.concerned

    def _commit(self) -> None:
        self.sure_names = dict(self.names)
        for number, size in self.cuts:
            self.files[number].sure = self.files[number].sure[:size]
        self.cuts.clear()
        self.concerned.clear()
        for number, file in enumerate(self.files):
            file.known &= number in self.sure_names.values()


def _directory(path: str) -> str:
    return path.rpartition("/")[0]
