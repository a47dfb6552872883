"""Refuses to keep the inbox on a network disk, where SQLite's locks and its log are not to be trusted (H19)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from vs_st_pipeline.domain.errors import GiveUp

MOUNTS: Final = Path("/proc/self/mountinfo")
_REMOTE: Final = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "davfs", "gfs2", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "ocfs2"}
    | {"orangefs", "smb3", "smbfs"}
)
_REMOTE_BY_FUSE: Final = frozenset(
    {"blobfuse", "blobfuse2", "ceph", "ceph-fuse", "davfs2", "gcsfuse", "glusterfs", "goofys", "juicefs", "rclone"}
    | {"s3fs", "sshfs"}
)


class InboxUnusable(GiveUp):
    """The inbox cannot be kept where it should be; exit status 1."""

    kind = "internal"


def network_disk(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """Return the kind of the network disk that a folder is on, or will be on; None where it is on none.

    Where a system does not tell of its mounts (others than Linux), no disk is known to be one.
    """
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        device, lines = os.stat(folder).st_dev, mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in reversed(lines):  # of mounts upon each other the last one counts
        own, _, more = line.partition(" - ")
        fields, kind = own.split(" "), more.split(" ")[0]
        if len(fields) > 2 and fields[2] == f"{os.major(device)}:{os.minor(device)}":
            name = kind.removeprefix("fuse.")
            return kind if kind in _REMOTE or (name != kind and name in _REMOTE_BY_FUSE) else None
    return None


def refuse_network_disk(data_dir: Path) -> None:
    """Raise where the inbox of this data folder would lie on a network disk.

    Raises:
        InboxUnusable: it would.
    """
    if (kind := network_disk(data_dir.absolute())) is not None:
        raise InboxUnusable(
            f"the inbox would lie on a network disk ({kind}), where a call that was answered may be lost; "
            "set VS_ST_DATA_DIR to a folder on a disk of this machine"
        )
