"""The version of the installed library."""

import importlib.metadata

try:
    VERSION = importlib.metadata.version("rnn-zoo")
except importlib.metadata.PackageNotFoundError:  # a folder in `sys.path`
    VERSION = "not installed"
