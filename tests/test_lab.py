"""JupyterLab, started as `make lab` starts it, opens every notebook and saves an untouched one without a difference."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import jupytext
import nbformat
import pytest

from .series import LESSONS, NOTEBOOKS, ROOT, all_names

pytestmark = pytest.mark.slow


def call(address, method="GET", content=None):
    """A call of Jupyter's contents API, by which JupyterLab opens and saves."""
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"}, method=method)
    no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with no_proxy.open(request, timeout=60) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """(address, folder): a server on a copy of the notebooks whose .ipynb are newer, as after `make run-notebooks`."""
    folder = tmp_path_factory.mktemp("series")
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(NOTEBOOKS, folder / "notebooks", ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    folded = '# %% collapsed=true jupyter={"outputs_hidden": true}\n1 + 1\n'  # in the order of the .ipynb
    header = (folder / "notebooks" / f"{LESSONS[0]}.py").read_text(encoding="utf-8").split("# %%")[0]
    (folder / "notebooks" / "00_folded.py").write_text(header + folded, encoding="utf-8")
    book = jupytext.read(folder / "notebooks" / "00_folded.py")
    book.cells[0].execution_count = 1
    book.cells[0].outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "2"}, execution_count=1)]
    jupytext.write(book, folder / "notebooks" / "00_folded.ipynb")
    for name in ("00_folded", *all_names()):
        for ending, age in ((".py", 3600), (".ipynb", 0)):
            os.utime((folder / "notebooks" / name).with_suffix(ending), (time.time() - age,) * 2)
    recipe = re.search(r"^lab:.*\n\t(.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert recipe == "$(BIN)/jupyter lab --notebook-dir=notebooks $(ARGS)"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyter", "lab", "--notebook-dir=notebooks", "--no-browser", "--allow-root"]
    command += [
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=",
        "--ServerApp.disable_check_xsrf=True",
    ]
    own = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    with open(folder / "log.txt", "w", encoding="utf-8") as log:
        server = subprocess.Popen(command, cwd=folder, env=os.environ | own, stdout=log, stderr=subprocess.STDOUT)
    try:
        address = f"http://127.0.0.1:{port}/api/contents"
        for _ in range(240):
            try:
                call(f"{address}?content=0")
                break
            except OSError:
                assert server.poll() is None, (folder / "log.txt").read_text(encoding="utf-8")
                time.sleep(0.5)
        yield address, folder / "notebooks"
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.parametrize("name", ["00_folded", *all_names()])
def test_notebook_opens_and_is_saved_as_it_was(lab, name):
    address, folder = lab
    files = [(folder / name).with_suffix(ending) for ending in (".py", ".ipynb")]
    before = [path.read_bytes() for path in files]
    model = call(f"{address}/{name}.ipynb?type=notebook&content=1")
    call(f"{address}/{name}.ipynb", "PUT", {"type": "notebook", "format": "json", "content": model["content"]})
    assert [path.read_bytes() for path in files] == before
