"""What the builds of the kernels for CPUs and for GPUs have in common."""

import atexit
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

NATIVE = Path(__file__).parent
#: Whether warnings are errors. A compiler newer than those tested may have more.
STRICT = os.environ.get("ZOO_NATIVE_WERROR", "1") != "0"

sys.dont_write_bytecode = True  # nothing is written next to the sources


def load(module: str) -> ModuleType:
    """Import a module of ``zoo_native`` without the package, which needs JAX.

    Args:
        module: its name, without that of the package.
    """
    path = NATIVE / f"zoo_native/{module}.py"
    spec = importlib.util.spec_from_file_location(module, path)
    assert spec and spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def xla_headers() -> str:
    """Return the folder of the headers of XLA's foreign function interface."""
    spec = importlib.util.find_spec("jaxlib")
    assert spec and spec.origin, "jaxlib must be installed"
    return str(Path(spec.origin).parent / "include")


def temporary_folders() -> dict[str, dict[str, str]]:
    """Return options of the build: its files are in a folder that is deleted at exit.

    Otherwise they would stay next to the sources.
    """
    folder = tempfile.mkdtemp(prefix="rnn-zoo-native-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return {"build": {"build_base": folder}, "egg_info": {"egg_base": folder}}


class Wheel(bdist_wheel):
    """A wheel for every version of Python: `ctypes` opens the libraries."""

    def get_tag(self) -> tuple[str, str, str]:
        """Return the tag of the platform, and of any Python 3."""
        return "py3", "none", super().get_tag()[2]


class Build(build_ext):
    """Generate the header of the table before the libraries are built."""

    def run(self) -> None:
        """Generate ``kernel_table.h``, then build all libraries."""
        generated = Path(self.build_temp, "generated")
        generated.mkdir(parents=True, exist_ok=True)
        table = load("table")
        (generated / "kernel_table.h").write_text(table.header(table.read()))
        for extension in self.extensions:
            extension.include_dirs.append(str(generated))
        super().run()

    def get_ext_filename(self, fullname: str) -> str:
        """Return the path of a library, which has no version of Python in its name."""
        return fullname.replace(".", "/") + ".so"
