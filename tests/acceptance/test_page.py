"""The page for people, in a real browser: it shows what is so, and the keyboard is enough to change it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from acceptance.commandline import Place
from acceptance.test_serve import Server, eventually, serving

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,1000",
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    place = Place(tmp_path)
    place.source.mkdir()
    (place.source / "first").write_bytes(b"1")
    to = [text for site in ("east", "west") for text in ("--to", f"{site}={place.location(site)}")]
    with serving(place, "--source", str(place.source), *to, "--retries", "0") as running:
        eventually(lambda: all((place.location(site) / "first").exists() for site in ("east", "west")))
        yield running


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def text_of(browser: Any, name: str) -> Callable[[], str]:
    """Return a function that reads an element's text, also while the page puts a new one in its place."""

    def text() -> str:
        return str(browser.execute_script("return document.getElementById(arguments[0]).innerText", name))

    return text


def open_page(browser: Any, server: Server) -> None:
    browser.get(f"http://127.0.0.1:{server.port}/_/backbeat/")
    eventually(lambda: "east" in text_of(browser, "locations")())


def press(browser: Any, label: str) -> None:
    """Go to a control and press it, as somebody without a mouse does."""
    for _ in range(40):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        here = browser.execute_script("return document.activeElement.getAttribute('aria-label')")
        if here == label:
            ActionChains(browser).send_keys(Keys.ENTER).perform()
            return
    raise AssertionError(f"the keyboard does not reach {label!r}")


def test_it_shows_each_location_and_loads_nothing_from_elsewhere(browser: Any, server: Server) -> None:
    open_page(browser, server)

    locations = text_of(browser, "locations")
    eventually(lambda: "1 (1 B)" in locations())
    assert "healthy" == text_of(browser, "health")()
    rows = "return [...document.querySelectorAll('#locations tr')].map(row => row.cells[0].innerText)"
    assert ["east", "west"] == browser.execute_script(rows)
    assert [] == [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(each => each.name)")
    assert all(name.startswith(f"http://127.0.0.1:{server.port}/") for name in loaded)


def test_the_day_is_drawn(browser: Any, server: Server) -> None:
    open_page(browser, server)

    eventually(lambda: "2 objects (2 B) completed, 0 failed" == text_of(browser, "sum")())
    assert 1 == len(browser.find_elements(By.CSS_SELECTOR, "#plot rect"))


def test_a_location_is_paused_scheduled_and_resumed_with_the_keyboard(browser: Any, server: Server) -> None:
    open_page(browser, server)

    press(browser, "Pause west")
    eventually(lambda: "paused" in text_of(browser, "locations")())
    assert "disabled" == server.get("/_/backbeat/api/crr/status")["west"]

    press(browser, "Resume west in so many hours")
    eventually(lambda: "resumes" in text_of(browser, "locations")())
    assert "none" != server.get("/_/backbeat/api/crr/resume")["west"]

    press(browser, "Resume west")
    eventually(lambda: "paused" not in text_of(browser, "locations")())
    assert "enabled" == server.get("/_/backbeat/api/crr/status")["west"]


def test_a_failure_is_shown_and_retried(browser: Any, server: Server) -> None:
    place = server.place
    shutil.rmtree(place.location("west"))
    (place.source / "<b>lost").write_bytes(b"x")
    failures = "/_/backbeat/api/metrics/crr/west/failures"
    eventually(lambda: bool(1 == server.get(failures)["failures"]["results"]["count"]))
    open_page(browser, server)

    eventually(lambda: "<b>lost" in text_of(browser, "failures")())
    place.location("west").mkdir()
    press(browser, "Retry <b>lost")

    eventually(lambda: (place.location("west") / "<b>lost").exists())
    eventually(lambda: "none" in text_of(browser, "failures")())


def test_strangers_do_not_get_the_page(server: Server) -> None:
    status, body = server.request("GET", "/_/backbeat/", Host="evil.example.com")

    assert (403, True) == (status, body["AccessDenied"])
