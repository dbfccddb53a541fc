"""What holds for the tests and for the notebooks that nbval runs, and for every process that they start."""

import os
import tempfile
from pathlib import Path


def pytest_configure():
    for name in ("no_proxy", "NO_PROXY"):  # browsers and servers of the tests are on this machine
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "localhost", "127.0.0.1"]))
    if not os.access(Path.home(), os.W_OK):  # where matplotlib, IPython and Jupyter would say so, or stop
        folder = tempfile.mkdtemp()
        own = ("MPLCONFIGDIR", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
        os.environ.update({name: os.environ.get(name, folder) for name in own})


def pytest_collection_modifyitems(items):
    for item in items:
        # nbval waits only 5 s for the output of a cell that is still computing, whatever its cell timeout.
        if hasattr(item, "output_timeout"):
            item.output_timeout = 300
