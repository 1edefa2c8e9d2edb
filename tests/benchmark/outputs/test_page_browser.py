"""The page in a real browser: Chromium, driven by Selenium, without a screen."""

import functools
import http.server
import itertools
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapt.benchmark.outputs.files import build_report
from tests.benchmark.synthetic import write_benchmark

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium (dev)")
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if not (BROWSER and DRIVER):
    pytest.skip("needs Chromium: apt-get install chromium chromium-driver", allow_module_level=True)

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
# A wait for what never comes would hide the failure for minutes.
TIMEOUT = 60


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "demo"
    write_benchmark(out, tasks=("a → b", "b → a"))
    warning = {"step": 3, "kind": "collapse", "text": "At step 3, one class is predicted."}
    (out / "task0" / "DANN" / "0" / "warnings.jsonl").write_text(json.dumps(warning) + "\n")
    build_report(out)
    return out


@pytest.fixture(scope="module")
def asked(directory: Path) -> Iterator[tuple[str, list[str]]]:
    """A server of the page alone, and the paths that were asked of it."""
    paths: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            super().do_GET()

        def log_message(self, *_: Any) -> None:
            pass

    handler = functools.partial(Handler, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/report.html", paths
        server.shutdown()


@pytest.fixture(scope="module")
def browser(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=str(DRIVER)))
    driver.set_page_load_timeout(TIMEOUT)
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: Any, directory: Path) -> Any:
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.get((directory / "report.html").as_uri())
    return browser


def visible(page: Any) -> list[str]:
    return [panel.get_attribute("id") for panel in page.find_elements("css selector", ".panel") if panel.is_displayed()]


def test_choosing_a_rule_shows_its_table_alone(page: Any) -> None:
    rules = [button.get_attribute("value") for button in page.find_elements("css selector", "input[name=rule]")]
    assert rules == ["last", "source_accuracy", "oracle"]
    assert visible(page) == ["under-1"]
    assert "best source validation accuracy" in page.find_element("id", "under-1").text
    page.find_element("id", "rule-2").click()
    assert visible(page) == ["under-2"]
    assert "uses target labels" in page.find_element("id", "under-2").text


def test_the_rule_is_chosen_by_keyboard_and_the_focus_is_seen(page: Any) -> None:
    button = page.find_element("id", "rule-1")
    page.execute_script("arguments[0].focus()", button)
    button.send_keys("\ue014")  # arrow right
    assert visible(page) == ["under-2"]
    assert page.switch_to.active_element.get_attribute("id") == "rule-2"
    style = "return getComputedStyle(arguments[0].closest('label')).outlineStyle"
    assert page.execute_script(style, page.switch_to.active_element) == "solid"
    assert page.execute_script(style, button) == "none"


def test_it_works_without_scripts(page: Any, directory: Path) -> None:
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.get((directory / "report.html").as_uri())
        page.find_element("id", "rule-0").click()
        assert visible(page) == ["under-0"]
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_the_page_itself_never_scrolls_sideways(page: Any, width: int) -> None:
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    page.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    needed, shown = page.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert needed <= shown == width
    # What is wider scrolls in a box that the keyboard reaches and a screen reader names.
    boxes = page.execute_script(
        "return [...document.querySelectorAll('*')].filter(e => e.scrollWidth > e.clientWidth + 1 "
        "&& getComputedStyle(e).overflowX == 'auto').map(e => [e.tabIndex, e.getAttribute('aria-label')])"
    )
    assert all(tab == 0 and label for tab, label in boxes)
    assert boxes or width > 500


def test_dark_is_dark_and_pictures_stay_on_white(page: Any) -> None:
    def brightness(element: str) -> int:
        colour = page.execute_script(f"return getComputedStyle(document.querySelector('{element}')).backgroundColor")
        return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))

    for scheme, bright in (("light", True), ("dark", False)):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        assert (brightness("body") > 600) == bright
        assert brightness("img") == 3 * 255


def test_nothing_is_asked_of_the_network_and_nothing_is_complained_about(
    page: Any, asked: tuple[str, list[str]]
) -> None:
    address, paths = asked
    page.get_log("browser")
    page.get(address)
    assert page.find_element("tag name", "h1").text == "demo"
    # A browser looks for an icon on its own; a file has no place that it would look in.
    assert [path for path in paths if path != "/favicon.ico"] == ["/report.html"]
    errors = [entry for entry in page.get_log("browser") if "favicon.ico" not in entry["message"]]
    assert errors == []
    shown = page.execute_script("return [...document.images].map(i => i.naturalWidth)")
    assert shown
    assert min(shown) > 250


def test_headings_are_in_order_and_the_contents_lead_to_them(page: Any) -> None:
    levels = [int(e.tag_name[1]) for e in page.find_elements("css selector", "h1, h2, h3, h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))
    links = page.find_elements("css selector", ".contents a")
    found = [page.find_element("css selector", link.get_attribute("hash") + " > h2").text for link in links]
    assert found == [link.text for link in links]
    assert {"Result", "Warnings", "Each run", "How it was made"} <= set(found)
    assert "At step 3, one class is predicted." in page.find_element("id", "warnings").text


def test_a_heading_sorts_its_table_with_what_has_no_number_last(page: Any) -> None:
    table = "document.querySelector('#under-1 table')"
    page.execute_script(f"{table}.tBodies[0].rows[1].cells[1].textContent = '–'")
    values = f"return [...{table}.tBodies[0].rows].map(row => row.cells[1].textContent.trim())"
    shown = page.execute_script(values)
    for order in (-1, 1):
        page.find_element("css selector", "#under-1 thead th:nth-child(2) button").click()
        numbers = sorted(order * float(text.split()[0]) for text in shown if text != "–")
        found = page.execute_script(values)
        assert found[-1] == "–"
        assert [order * float(text.split()[0]) for text in found[:-1]] == numbers


def test_on_a_phone_no_column_is_as_narrow_as_a_letter(page: Any) -> None:
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    narrow = page.execute_script(
        "return [...document.querySelectorAll('th .name, .forest .name, td')].filter(e => e.clientWidth && "
        "e.textContent.trim().length > 2 && e.clientHeight > 3 * e.clientWidth).map(e => e.textContent)"
    )
    assert narrow == []
