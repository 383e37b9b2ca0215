"""The repository as it is checked out: its files, and copies of it to try scripts on."""

from __future__ import annotations

from pathlib import Path
import shutil
import subprocess

ROOT = Path(__file__).parent.parent


def git(folder: Path, *arguments: str) -> str:
    """Run git, and return what it says."""
    return subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True).stdout


def files(folder: Path) -> list[str]:
    """Return the names of all files that are in a repository."""
    return [name for name in git(folder, "ls-files", "-z").split("\0") if name and (folder / name).is_file()]


def make_copy(folder: Path) -> None:
    """Copy what is in the repository, as it is now, to a repository of its own."""
    for name in files(ROOT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "-q")
    git(folder, "add", "--all", "--force")
