"""Copies the installed uvicorn into a directory and plants a bug in the copy: the first piece of an upload is taken for all of it.

python plant_bug.py DIRECTORY
"""

import shutil
import sys
from pathlib import Path

import uvicorn

RIGHT, WRONG = '"more_body": self.more_body}', '"more_body": False}'


def plant(directory):
    """The changed file. ValueError when this version of uvicorn reads otherwise."""
    copy = Path(directory) / "uvicorn"
    shutil.copytree(Path(uvicorn.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    file = copy / "protocols" / "http" / "h11_impl.py"
    source = file.read_text(encoding="utf-8")
    if source.count(RIGHT) != 1:
        raise ValueError(f"uvicorn {uvicorn.__version__} has no single {RIGHT}")
    file.write_text(source.replace(RIGHT, WRONG), encoding="utf-8")
    return file


if __name__ == "__main__":
    print(f"{plant(sys.argv[1])}: {RIGHT} is now {WRONG}")
