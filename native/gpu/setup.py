"""Build the kernels for NVIDIA GPUs with nvcc. Needs the folder above this one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.errors import CompileError

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from building import STRICT, Build, Wheel, temporary_folders, xla_headers


def find_nvcc() -> str:
    """Return the CUDA compiler.

    Raises:
        CompileError: if there is none.
    """
    default = "/usr/local/cuda/bin/nvcc"
    nvcc = os.environ.get("NVCC") or shutil.which("nvcc") or shutil.which(default)
    if nvcc is None:
        raise CompileError(
            f"nvcc was found neither on the PATH nor as {default}: install CUDA 12 or "
            "later, or name it by the environment variable NVCC"
        )
    return nvcc


def nvcc_command(compiler: str, include: list[str], target: Path) -> list[str]:
    """Return the command that builds the kernels.

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
        *("-o", str(target), "gpu.cu"),
    ]


class BuildWithNvcc(Build):
    """Build the library with nvcc."""

    def build_extension(self, ext: Extension) -> None:
        """Build the library.

        Raises:
            CompileError: if nvcc is missing or fails.
        """
        target = Path(self.get_ext_fullpath(ext.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        command = nvcc_command(find_nvcc(), ext.include_dirs, target)
        try:
            subprocess.run(command, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise CompileError(f"the GPU kernels were not built: {error}") from error


setup(
    ext_modules=[Extension("zoo_native_cuda.gpu", ["gpu.cu"], include_dirs=["."])],
    cmdclass={"build_ext": BuildWithNvcc, "bdist_wheel": Wheel},
    options=temporary_folders(),
)
