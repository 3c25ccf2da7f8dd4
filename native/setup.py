"""Build the kernels.

The CPU kernels are built once for each level of x86-64, or once for any other machine.
The GPU kernels are built if nvcc is installed.
"""

import importlib.util
import os
import platform
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

# Each level is a library of its own; at runtime the fastest for the machine is loaded.
LEVELS = {"v2": "x86-64-v2", "v3": "x86-64-v3", "v4": "x86-64-v4"}
GPU = "zoo_native.gpu"
# Whether warnings are errors. A compiler newer than those tested may have more of them.
STRICT = os.environ.get("ZOO_NATIVE_WERROR", "1") != "0"


def xla_headers() -> str:
    """Return the folder of the headers of XLA's foreign function interface."""
    spec = importlib.util.find_spec("jaxlib")
    assert spec and spec.origin, "jaxlib must be installed"
    return str(Path(spec.origin).parent / "include")


def load_table() -> ModuleType:
    """Import ``zoo_native.table`` without ``zoo_native``, which loads the libraries."""
    path = Path(__file__).parent / "zoo_native/table.py"
    spec = importlib.util.spec_from_file_location("table", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def dependencies(folder: str) -> list[str]:
    """Return the files that a library is rebuilt for."""
    headers = [str(path) for path in Path(folder).glob("*.h")]
    return ["buffers.h", "zoo_native/kernels.json", "zoo_native/table.py", *headers]


def cpu_library(name: str, *flags: str) -> Extension:
    """Return the CPU kernels for one level."""
    warnings = ["-Wall", "-Wextra", *(["-Werror"] if STRICT else [])]
    return Extension(
        f"zoo_native.{name}",
        [f"kernels/{name}.cc"],
        depends=dependencies("kernels"),
        extra_compile_args=[
            *("-std=c++20", "-O3", "-g0", "-fvisibility=hidden", *warnings),
            # System headers, in which warnings do not count.
            f"-isystem{xla_headers()}",
            *flags,
        ],
        language="c++",
    )


def find_nvcc() -> str | None:
    """Return the CUDA compiler, None if there is none."""
    default = "/usr/local/cuda/bin/nvcc"
    return os.environ.get("NVCC") or shutil.which("nvcc") or shutil.which(default)


def nvcc_command(compiler: str, include: list[str], target: Path) -> list[str]:
    """Return the command that builds the GPU kernels.

    Args:
        compiler: nvcc.
        include: folders of headers.
        target: the library.
    """
    host = ["-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"]
    # nvcc removes the bodies of device functions from what the host compiler sees.
    host += ["-Wno-return-type"]
    return [
        *(compiler, "-std=c++20", "-O3", "-shared", "-cudart", "static"),
        *(["-Werror", "all-warnings"] if STRICT else []),
        # Machine code for one architecture, and PTX that later drivers compile.
        "-gencode=arch=compute_90,code=[sm_90,compute_90]",
        *("-Xcompiler", ",".join(host)),
        *(f"-I{folder}" for folder in include),
        *("-isystem", xla_headers()),
        f"-L{Path(compiler).resolve().parent.parent / 'lib'}",
        *("-o", str(target), "gpu/gpu.cu"),
    ]


class Build(build_ext):
    """Generate the header of the table, and build the GPU kernels with nvcc."""

    def run(self) -> None:
        """Generate ``kernel_table.h``, then build all libraries."""
        generated = Path(self.build_temp, "generated")
        generated.mkdir(parents=True, exist_ok=True)
        table = load_table()
        (generated / "kernel_table.h").write_text(table.header(table.read()))
        for extension in self.extensions:
            extension.include_dirs.append(str(generated))
        super().run()

    def build_extension(self, ext: Extension) -> None:
        """Build one library.

        Raises:
            CompileError: if nvcc fails.
        """
        compiler = find_nvcc()
        if ext.name != GPU:
            super().build_extension(ext)
            return
        assert compiler is not None  # the extension exists only where nvcc does
        target = Path(self.get_ext_fullpath(ext.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        command = nvcc_command(compiler, ext.include_dirs, target)
        try:
            subprocess.run(command, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise CompileError(f"the GPU kernels were not built: {error}") from error


x86 = platform.machine() in ("x86_64", "AMD64")
libraries = (
    [cpu_library(name, f"-march={arch}") for name, arch in LEVELS.items()]
    if x86
    else [cpu_library("v2")]
)
if find_nvcc():
    gpu = Extension(
        GPU,
        ["gpu/gpu.cu"],
        depends=dependencies("gpu"),
        include_dirs=["gpu"],
        optional=True,  # CUDA may be too old for them
    )
    libraries.insert(0, gpu)
setup(
    ext_modules=libraries,
    cmdclass={"build_ext": Build},
    options={"build_ext": {"parallel": len(libraries)}},
)
