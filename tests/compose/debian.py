"""What this machine's own apt settings say: where its packages come from."""

from __future__ import annotations

import platform
import shutil
import subprocess

from .engine import NoEngine


def codename() -> str:
    """This Debian's. Raises NoEngine where it is none."""
    release = platform.freedesktop_os_release()
    if release.get("ID") != "debian" or "VERSION_CODENAME" not in release:
        raise NoEngine("the stand-ins are made of Debian packages, and this is no Debian")
    return release["VERSION_CODENAME"]


def mirror() -> str:
    """The address of the archive that this machine installs Debian from. Raises NoEngine."""
    if shutil.which("apt-get") is None:
        raise NoEngine("there is no apt-get")
    lines = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
        capture_output=True, text=True, check=True, timeout=30,
    ).stdout.splitlines()  # fmt: skip
    for site, release, component in (line.split() for line in lines):
        if release == codename() and component == "main":
            return site
    raise NoEngine("apt knows no archive of Debian: run apt-get update")
