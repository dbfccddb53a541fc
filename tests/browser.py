"""A headless Chromium for tests, driven by selenium: Debian's packages chromium and chromium-driver."""

import contextlib
import os
import shutil
import socket
import tempfile
import time
import urllib.request

import pytest

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-3d-apis", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--force-prefers-reduced-motion",
)  # fmt: skip


def missing():
    """What keeps a browser test from running, or None."""
    browser, driver = _programs()
    if not browser or not driver:
        return "no Chromium with its driver on this machine (Debian: apt-get install chromium chromium-driver)"
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "selenium is not installed"


def _programs():
    """Paths of Chromium and ChromeDriver, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None), shutil.which("chromedriver")


def need_browser():
    """Skip the test where there is no browser; fail instead in continuous integration, where there must be one."""
    reason = missing()
    if reason:
        required = bool(os.environ.get("CI")) or os.environ.get("RLPJEPA_BROWSER") == "required"
        (pytest.fail if required else pytest.skip)(reason)


@contextlib.contextmanager
def chromium(width=1280, height=800, *, scripts=True):
    """A selenium driver with a window of that size; scripts False switches JavaScript off."""
    need_browser()
    from selenium import webdriver

    browser, driver = _programs()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        page = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            page.set_script_timeout(60)
            resize(page, width, height)
            if not scripts:
                page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
            yield page
        finally:
            page.quit()


def resize(page, width, height):
    """Give the page that many CSS pixels, which may be fewer than the narrowest window; below 500 as on a phone."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def console_errors(page):
    """The errors on the page's console since the last call, as texts."""
    return [entry["message"] for entry in page.get_log("browser") if entry["level"] == "SEVERE"]


def wait_until(condition, seconds=20.0, message="the page did not get there", pause=0.05):
    """The first true value of condition(), asked again after each pause; the test fails if none comes."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            pytest.fail(f"{message} within {seconds:g} s")
        time.sleep(pause)
    return value


def free_port():
    """A port on this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(url):
    """Whether a server gives that address."""
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False
