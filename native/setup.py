"""Build the kernels.

Those for CPUs once for each level of x86-64, once for any other machine; those for GPUs
where there is a compiler of CUDA.
"""

import importlib.util
import os
import platform
import shutil
import subprocess
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

# Each level is a library of its own, of which one is loaded: the one for this machine.
LEVELS = {"v2": "x86-64-v2", "v3": "x86-64-v3", "v4": "x86-64-v4"}
GPU = "zoo_native.gpu"


def headers() -> str:
    """Return where the headers of XLA's foreign functions are."""
    spec = importlib.util.find_spec("jaxlib")
    assert spec and spec.origin, "jaxlib must be installed"
    return str(Path(spec.origin).parent / "include")


def kernels(name: str, *flags: str) -> Extension:
    """Return one library."""
    return Extension(
        f"zoo_native.{name}",
        [f"kernels/{name}.cc"],
        depends=["buffers.h", *(str(path) for path in Path("kernels").glob("*.h"))],
        include_dirs=[headers()],
        extra_compile_args=[
            *("-std=c++20", "-O3", "-g0", "-fvisibility=hidden", "-w"),
            *flags,
        ],
        language="c++",
    )


def nvcc() -> str | None:
    """Return the compiler of CUDA, None if there is none."""
    usual = "/usr/local/cuda/bin/nvcc"
    return os.environ.get("NVCC") or shutil.which("nvcc") or shutil.which(usual)


class Build(build_ext):
    """Build a library by the compiler of CUDA, the others as usual."""

    def build_extension(self, ext: Extension) -> None:
        """Build one library.

        Raises:
            CompileError: if it cannot be built.
        """
        if ext.name != GPU:
            super().build_extension(ext)
            return
        compiler = nvcc()
        assert compiler
        target = Path(self.get_ext_fullpath(ext.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        libraries = Path(compiler).resolve().parent.parent / "lib"
        command = [compiler, "-std=c++20", "-O3", "-w", "-shared", "-cudart", "static"]
        # Machine code for one GPU, and what drivers of later ones make theirs of.
        command += ["-gencode=arch=compute_90,code=[sm_90,compute_90]"]
        command += ["-Xcompiler", "-fPIC,-fvisibility=hidden"]
        command += [f"-I{folder}" for folder in ext.include_dirs]
        command += [f"-L{libraries}", "-o", str(target), *ext.sources]
        try:
            subprocess.run(command, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise CompileError(f"no kernels for GPUs: {error}") from error


x86 = platform.machine() in ("x86_64", "AMD64")
libraries = (
    [kernels(name, f"-march={arch}") for name, arch in LEVELS.items()]
    if x86
    else [kernels("v2")]
)
if nvcc():
    # CUDA may be too old: then the kernels for CPUs are built all the same.
    gpu = Extension(
        GPU,
        ["gpu/gpu.cu"],
        depends=["buffers.h", *(str(path) for path in Path("gpu").glob("*.h"))],
        include_dirs=["gpu", headers()],
        optional=True,
    )
    libraries.insert(0, gpu)
setup(
    ext_modules=libraries,
    cmdclass={"build_ext": Build},
    options={"build_ext": {"parallel": len(libraries)}},
)
