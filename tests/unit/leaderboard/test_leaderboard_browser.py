"""Pages of a leaderboard in a real browser: sorted, filtered, hostile names, light and dark, on a phone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sslbench.leaderboard.site.build import build
from tests.board_fixtures import HOSTILE, INSTALLED, bundle_of, edit_json


@pytest.fixture(scope="module")
def site(made_board, tmp_path_factory) -> Path:
    board = Path(shutil.copytree(made_board, tmp_path_factory.mktemp("site") / "leaderboard"))
    edit_json(
        bundle_of(board, "simclr") / "manifest.json",
        lambda m: m.update(entry=HOSTILE[:80], by=HOSTILE[:80], note=HOSTILE),
    )
    build(board, INSTALLED, write=True)
    return board / "site"


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium with its driver, where the machine has them."""
    webdriver = pytest.importorskip("selenium.webdriver")
    driver = shutil.which("chromedriver")
    binary = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    if driver is None or binary is None:
        pytest.skip("needs Chromium and chromedriver on the path")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking",
                     "disable-component-update", "disable-sync", "disable-quic", "window-size=1300,900"):  # fmt: skip
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield found
    found.quit()


def shown(browser) -> list[list[str]]:
    return [
        [cell.text for cell in row.find_elements("css selector", "td, th")]
        for row in browser.find_elements("css selector", "#board tbody tr")
        if row.is_displayed()
    ]


def test_a_reader_sorts_filters_and_opens_a_run(site, browser):
    browser.get((site / "small/index.html").as_uri())
    assert browser.title != "owned"
    assert browser.find_element("id", "count").text == "5 of 9 rows"  # four entries and a published one
    assert {row[3] for row in shown(browser)} == {"knn"}
    macro = browser.find_element("xpath", "//thead//button[text()='macro']")
    header = macro.find_element("xpath", "..")
    macro.click()
    assert header.get_attribute("aria-sort") == "descending"
    down = [row[4].split()[0] for row in shown(browser)]
    assert down[:4] == sorted(down[:4], reverse=True)
    assert down[4] == "–"
    macro.send_keys("\n")  # by keyboard
    assert header.get_attribute("aria-sort") == "ascending"
    assert [row[4].split()[0] for row in shown(browser)][:4] == down[:4][::-1]
    browser.find_element("id", "baselines").click()
    assert [row[0] for row in shown(browser)][-1] == "published"
    assert len(shown(browser)) == 2
    browser.find_element("id", "baselines").click()
    browser.find_element("id", "search").send_keys("raw FEATURES")
    assert [row[1].splitlines()[0] for row in shown(browser)] == ["raw-features (no backbone)"]
    browser.find_element("link text", "raw-features (no backbone)").click()
    assert browser.find_element("tag name", "h1").text == "raw-features (no backbone)"
    assert "sslbench run --method raw-features --dataset digits" in browser.find_element("tag name", "pre").text


def test_hostile_names_run_nothing_and_the_page_needs_no_network(site, browser):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 5
    for page in pages:
        browser.get(page.as_uri())
        assert browser.title != "owned", page
        assert not browser.find_elements("css selector", "main img, td script, th script, h1 script, p script")
        problems = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
        assert not problems, (page, problems)


def test_the_policy_stops_a_script_that_is_not_escaped(site, browser, tmp_path):
    """If escaping failed, a page would still run nothing but its own script."""
    shutil.copytree(site, tmp_path / "site")
    page = tmp_path / "site/small/index.html"
    page.write_text(page.read_text().replace("<main", "<script>document.title='owned'</script><main", 1))
    browser.get(page.as_uri())
    assert browser.title != "owned"
    assert browser.find_element("id", "count").text == "5 of 9 rows"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1300, 360])
def test_pages_are_readable_in_light_and_dark_and_on_a_phone(site, browser, scheme, width):
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for name in (
        "index",
        "small/index",
        "small/classes",
        "small/bias",
        "small/differences/digits-knn",
        "small/costs",
        "small/labels",
    ):
        browser.get((site / f"{name}.html").as_uri())
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width, (name, wide)
        ink, paper = (
            browser.execute_script(f"return getComputedStyle(document.body).{one}")
            for one in ("color", "backgroundColor")
        )
        light = [sum(map(int, color[color.index("(") + 1 : -1].split(",")[:3])) for color in (ink, paper)]
        assert (light[0] < light[1]) == (scheme == "light")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
