"""A small disk of its own for the books, that can be filled and freed."""
import ctypes
import errno
import os
import subprocess

DISK_BYTES = 64 << 20
CLONE_NEWNS = 0x00020000


class SmallDisk:
    """A tmpfs on a folder, seen by this process and its children only, so that it is gone when they are."""

    def __init__(self, folder):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), 'unshare')
        folder.mkdir()
        for command in (['mount', '--make-rprivate', '/'],
                        ['mount', '-t', 'tmpfs', '-o', f'size={DISK_BYTES}', 'tmpfs', str(folder)]):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise OSError(errno.EPERM, f'{" ".join(command)}: {done.stderr.strip()}')
        self.ballast = folder / 'ballast'

    def fill(self):
        """Takes all that is free; what others free later stays theirs."""
        with open(self.ballast, 'wb') as ballast:
            size, step = 0, 1 << 24
            while step >= 4096:
                try:
                    os.posix_fallocate(ballast.fileno(), size, step)
                    size += step
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    step //= 2

    def free(self):
        self.ballast.unlink(missing_ok=True)
