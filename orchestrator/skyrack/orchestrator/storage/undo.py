"""What a power loss takes back: contents file by file, names and truncations in the order of a journal. Pure.

A file's contents and length are kept by an fsync of that file. Names (made, removed, renamed) and truncations are kept in
order, as by a journalling file system: an fsync of a file or directory that one of them concerns keeps all before it too.
The directory itself is always as its programs see it; here stands what has to be put back.
"""

from __future__ import annotations

from dataclasses import dataclass

from skyrack.orchestrator.storage.ranges import Ranges, Span

BLOCK = 4096  # old contents are saved in whole blocks, so that small writes make few spans


Name = tuple[int, str]  # the inode of a directory, and a name in it


@dataclass(frozen=True, slots=True)
class Made:
    """A name that was not there before."""

    name: Name
    is_directory: bool


@dataclass(frozen=True, slots=True)
class Removed:
    """A name that is no more; what it named is called `kept` until that is certain."""

    name: Name
    kept: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A name that is another one now."""

    old: Name
    new: Name


@dataclass(frozen=True, slots=True)
class Cut:
    """A file that was made shorter."""

    inode: int
    size: int


Step = Made | Removed | Moved | Cut


def names(step: Step) -> tuple[Name, ...]:
    """The names that a step changed."""
    match step:
        case Made(name) | Removed(name):
            return (name,)
        case Moved(old, new):
            return old, new
        case Cut():
            return ()


class FileUndo:
    """One file. `size`: its length as it would come back; `saved`: where its contents would be others than now."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.saved = Ranges()
        self._written = Ranges()  # since the last fsync
        self._lost = Ranges()  # written, and then an fsync failed: the kernel will not write them again

    @property
    def lost(self) -> bool:
        """Whether something will not be kept though a later fsync succeeds."""
        return bool(self._lost)

    def write(self, start: int, end: int) -> list[Span]:
        """[start, end) is about to be written: what has to be saved before."""
        first, last = start // BLOCK * BLOCK, -(-end // BLOCK) * BLOCK
        self._written.add(start, end)
        self._lost.remove(start, end)
        return self._save(first, min(last, self.size))

    def resize(self, size: int) -> list[Span]:
        """The file is about to be made that long: what has to be saved before."""
        self._written.cut(size)
        self._lost.cut(size)
        return self._save(size, self.size)

    def synced(self, size: int) -> list[Span]:
        """An fsync succeeded with the file that long: what has to be saved as zeros, since it never got to the disk."""
        never = [gap for a, b in self._lost for gap in self.saved.missing(a, b)]
        self.saved = self.saved.common(self._lost)
        for span in never:
            self.saved.add(*span)
        self._written = Ranges()
        self.size = size
        return never

    def failed(self) -> None:
        """An fsync failed: what was written counts as clean from now on, though it is not on the disk."""
        for span in self._written:
            self._lost.add(*span)
        self._written = Ranges()

    def cut(self, size: int) -> None:
        """It is certain that the file was made that short once."""
        if size < self.size:
            self.size = size
            self.saved.cut(size)

    def _save(self, start: int, end: int) -> list[Span]:
        gaps = self.saved.missing(start, end)
        for gap in gaps:
            self.saved.add(*gap)
        return gaps


class Undo:
    """Everything of one data directory. Files are known by their inodes while there is something to take back."""

    def __init__(self) -> None:
        self.files: dict[int, FileUndo] = {}
        self.steps: list[Step] = []  # names and truncations, in order
        self._concerned: set[int] = set()

    def file(self, inode: int, size: int) -> FileUndo:
        """That file; one nobody knew is on the disk as it is, `size` long."""
        if inode not in self.files:
            self.files[inode] = FileUndo(size)
        return self.files[inode]

    def add(self, step: Step, *inodes: int) -> None:
        """A name is about to change, or a file to be made shorter; `inodes` are whose fsync makes that certain."""
        self.steps.append(step)
        self._concerned.update(inodes)

    def commits(self, inode: int, size: int, *, data_only: bool) -> bool:
        """Whether an fsync (or, `data_only`, fdatasync) of an inode with that length writes the journal."""
        if inode in self._concerned:
            return True
        file = self.files.get(inode)
        return file is not None and (not data_only or file.size != size)

    def commit(self) -> list[Step]:
        """The journal is written: these steps are certain, in order."""
        steps, self.steps = self.steps, []
        self._concerned.clear()
        for step in steps:
            if isinstance(step, Cut) and step.inode in self.files:
                self.files[step.inode].cut(step.size)
        return steps
