"""A file system in user space that can lose what was not fsynced: under the data directories of services that ask for it.

    program --system call--> kernel --/dev/fuse--> mount.py --> disk.py --> the directory itself, always up to date
                                                                   |
                                       undo.py: what has to be taken back when the power fails

`python -m skyrack.orchestrator.storage` is one process for all such services of a run; it is told what to do over a socket.
"""
