"""The report as people meet it: opened from disk, wide and narrow, by keyboard, without images, without scripts."""

import json

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from .conftest import Opener

pytestmark = pytest.mark.browser
WIDTHS = (1280, 400)


def table(browser: Chrome, label: str) -> WebElement:
    return browser.find_element(By.CSS_SELECTOR, f'table[data-label="{label}"]')


def column(browser: Chrome, label: str, number: int) -> list[str]:
    """The texts of a column's cells that are shown."""
    script = """return [...arguments[0].tBodies[0].rows].filter(row => row.checkVisibility())
      .map(row => row.cells[arguments[1]].textContent.trim())"""
    return browser.execute_script(script, table(browser, label), number)


def unfold(browser: Chrome) -> None:
    """Open the list of the failed studies."""
    browser.find_element(By.CSS_SELECTOR, "details.fold > summary").click()


def head(browser: Chrome, label: str, name: str) -> WebElement:
    return next(b for b in table(browser, label).find_elements(By.CSS_SELECTOR, "th button") if b.text.startswith(name))


@pytest.mark.parametrize("width", WIDTHS)
def test_it_opens_from_disk_without_errors_and_asks_nobody(open_page: Opener, width: int) -> None:
    browser = open_page(width)
    assert "2,000 studies" in browser.title
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert asked and all(url.startswith(("file:", "data:")) for url in asked)


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_off_to_the_right(open_page: Opener, width: int) -> None:
    browser = open_page(width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    # Narrow, not even within the tables; wide, tables may scroll by themselves.
    if width == 400:
        script = (
            "return [...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
        )
        assert browser.execute_script(script) == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_text_is_large_enough_in_charts_too(open_page: Opener, width: int) -> None:
    script = """return Math.min(...[...document.querySelectorAll('svg text, td, p, dd, figcaption')]
      .filter(e => e.textContent.trim() && e.getClientRects().length)
      .map(e => parseFloat(getComputedStyle(e).fontSize) * (e.ownerSVGElement ? e.getScreenCTM().a : 1)))"""
    assert open_page(width).execute_script(script) >= 11


@pytest.mark.parametrize("width", WIDTHS)
def test_sorting_by_number_and_back(open_page: Opener, width: int) -> None:
    browser = open_page(width)
    for expected in ("descending", "ascending", "descending"):
        head(browser, "Failures by kind", "Studies").click()
        counts = [int(text) for text in column(browser, "Failures by kind", 1)]
        assert len(counts) == 6 and counts == sorted(counts, reverse=expected == "descending")
        sorted_by = table(browser, "Failures by kind").find_elements(By.CSS_SELECTOR, "th[aria-sort]")
        assert [th.get_attribute("aria-sort") for th in sorted_by] == [expected]


def test_sorting_by_text(open_page: Opener) -> None:
    browser = open_page()
    head(browser, "Failures by kind", "Kind").click()
    kinds = column(browser, "Failures by kind", 0)
    assert kinds == sorted(kinds)


@pytest.mark.parametrize("width", WIDTHS)
def test_searching_shows_the_rows_that_hold_every_word(open_page: Opener, width: int) -> None:
    browser = open_page(width)
    unfold(browser)
    everything = column(browser, "Failed studies", 3)
    search = browser.find_element(By.CSS_SELECTOR, 'input[aria-label="Search in: Failed studies"]')
    search.send_keys("checksumerror BE")
    shown = column(browser, "Failed studies", 3)
    assert shown == [text for text in everything if text.startswith("ChecksumError")] and shown
    output = search.find_element(By.XPATH, "../following-sibling::output").text
    assert output == f"{len(shown)} of {len(everything)} rows"
    search.send_keys("xyzzy")
    assert column(browser, "Failed studies", 3) == []
    search.send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.DELETE)
    assert column(browser, "Failed studies", 3) == everything


def test_a_search_survives_sorting(open_page: Opener) -> None:
    browser = open_page()
    unfold(browser)
    browser.find_element(By.CSS_SELECTOR, 'input[aria-label="Search in: Failed studies"]').send_keys("header")
    shown = set(column(browser, "Failed studies", 0))
    head(browser, "Failed studies", "Study").click()
    assert column(browser, "Failed studies", 0) == sorted(shown)


@pytest.mark.parametrize("width", WIDTHS)
def test_everything_is_reached_by_the_keyboard(open_page: Opener, width: int) -> None:
    browser = open_page(width)
    browser.execute_script("document.querySelector('details.fold').open = true")
    body = browser.switch_to.active_element
    body.send_keys(Keys.TAB)
    first = browser.switch_to.active_element
    assert first.text == "Skip to the results" and first.rect["x"] >= 0
    first.send_keys(Keys.ENTER)
    assert browser.execute_script("return document.activeElement.id") == "main"
    focusable = "a[href], button, input, summary, [tabindex='0']"
    shown = f"[...document.querySelectorAll(`#main :is({focusable})`)].filter(element => element.checkVisibility())"
    wanted = browser.execute_script(f"return {shown}.length")
    browser.execute_script("""window.reached = [];
      document.addEventListener('focusin', ({ target }) =>
        reached.push([target.matches('main *'), getComputedStyle(target).outlineStyle !== 'none']))""")
    ActionChains(browser).send_keys(*[Keys.TAB] * (wanted + 1)).perform()
    reached = browser.execute_script("return window.reached")
    assert reached[:wanted] == [[True, True]] * wanted
    assert not any(inside for inside, _ in reached[wanted:])


def test_sorting_by_the_keyboard(open_page: Opener) -> None:
    browser = open_page()
    button = head(browser, "Failures by kind", "Studies")
    browser.execute_script("arguments[0].focus()", button)
    button.send_keys(Keys.SPACE)
    counts = [int(text) for text in column(browser, "Failures by kind", 1)]
    assert counts == sorted(counts, reverse=True)


def test_without_images_every_drawing_has_its_words(open_page: Opener) -> None:
    browser = open_page(images=False)
    images = browser.find_elements(By.TAG_NAME, "img")
    assert len(images) >= 12 and all(image.get_property("naturalWidth") == 0 for image in images)
    assert all(image.get_attribute("alt").startswith("ECG of study") for image in images)
    assert all(f.text.startswith("Study ") for f in browser.find_elements(By.CSS_SELECTOR, ".gallery figcaption"))


def test_charts_are_labelled_and_come_with_tables(open_page: Opener) -> None:
    browser = open_page()
    charts = browser.find_elements(By.CSS_SELECTOR, "svg[role=img]")
    assert len(charts) >= 5 and all(len(c.get_attribute("aria-label")) > 20 for c in charts)
    for chart in browser.find_elements(By.CSS_SELECTOR, ".chart"):
        chart.find_element(By.TAG_NAME, "summary").click()
        assert chart.find_element(By.TAG_NAME, "table").is_displayed()


@pytest.mark.parametrize("width", WIDTHS)
def test_without_scripts_the_tables_are_plain_and_complete(open_page: Opener, width: int) -> None:
    browser = open_page(width, scripts=False)
    rows = browser.find_elements(By.CSS_SELECTOR, 'table[data-label="Failures by kind"] tbody tr')
    assert len(rows) == 6 and all(row.is_displayed() for row in rows)
    assert browser.find_elements(By.CSS_SELECTOR, "th button, input") == []


def test_narrow_tables_are_still_tables_to_a_screen_reader(open_page: Opener) -> None:
    browser = open_page(400)
    tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = [node["role"]["value"] for node in tree if not node.get("ignored")]
    assert {"table", "row", "columnheader", "cell", "rowheader"} <= set(roles)


def test_a_link_leads_to_the_drawing(open_page: Opener) -> None:
    browser = open_page()
    link = table(browser, "Invalid samples").find_element(By.CSS_SELECTOR, "a[href^='#ecg-']")
    study = link.text
    browser.execute_script("arguments[0].click()", link)
    assert browser.find_element(By.CSS_SELECTOR, "figure:target figcaption").text.startswith(f"Study {study}")


def test_bars_are_as_long_as_their_shares_say(open_page: Opener) -> None:
    browser = open_page()
    script = """return [...document.querySelectorAll('svg[role=img]')].flatMap(svg =>
      [...svg.querySelectorAll('g[id*="-track-"]')].map((track, n) => [
        svg.querySelectorAll('g[id*="-bar-"]')[n].getBBox().width / track.getBBox().width,
        [...svg.querySelectorAll('text')].filter(t => t.textContent.includes('%'))[n].textContent]))"""
    bars = browser.execute_script(script)
    assert len(bars) > 10
    for length, label in bars:
        percent = label.rpartition("(")[2].removesuffix(" %)").removeprefix("< ")
        assert abs(100 * length - float(percent)) < 0.5, label


@pytest.mark.parametrize("width", WIDTHS)
def test_small_tables_have_no_search_box(open_page: Opener, width: int) -> None:
    browser = open_page(width)
    labels = [e.get_attribute("aria-label") for e in browser.find_elements(By.CSS_SELECTOR, "input[type=search]")]
    assert "Search in: Failed studies" in labels
    assert not {"Search in: Failures by kind", "Search in: What is worth a look"} & set(labels)


def test_paths_break_at_their_slashes(open_page: Opener) -> None:
    """In cells just wide enough for the longest part of their path, whatever the font."""
    browser = open_page(400)
    script = """const cells = [...document.querySelectorAll('td.path')].filter(cell => cell.querySelector('wbr'));
      const range = document.createRange();
      const boxes = node => { range.selectNodeContents(node); return [...range.getClientRects()]; };
      const found = [];
      for (const cell of cells) {
        const parts = [...cell.childNodes].filter(node => node.nodeType === 3);
        cell.style.whiteSpace = 'nowrap';
        const widest = Math.max(...parts.map(part => boxes(part)[0].width));
        const { paddingLeft, paddingRight } = getComputedStyle(cell);
        const width = Math.ceil(widest) + 1 + parseFloat(paddingLeft) + parseFloat(paddingRight);
        cell.style.whiteSpace = '';
        cell.style.boxSizing = 'border-box';
        cell.style.width = cell.style.maxWidth = `${width}px`; cell.style.flex = `0 0 ${width}px`;
        const all = parts.map(boxes);
        found.push([new Set(all.map(part => part[0].top)).size, Math.max(...all.map(part => part.length))]);
      }
      return found"""
    found = browser.execute_script(script)
    assert len(found) > 10
    assert {most for _, most in found} == {1}  # what lies between two slashes is on one line
    assert min(lines for lines, _ in found) > 1  # and the path is on several


@pytest.mark.parametrize("width", WIDTHS)
def test_many_failures_are_folded_so_that_what_is_worth_a_look_is_near(open_page: Opener, width: int) -> None:
    browser = open_page(width)
    assert column(browser, "Failed studies", 0) == []
    far = "return document.getElementById('flags').getBoundingClientRect().top + scrollY"
    folded = browser.execute_script(far)
    unfold(browser)
    kinds = [error.partition(":")[0] for error in column(browser, "Failed studies", 3)]
    assert len(kinds) > 12 and browser.execute_script(far) > folded + 300
    assert [kind for n, kind in enumerate(kinds) if kind not in kinds[:n]] == [
        kind for n, kind in enumerate(kinds) if n == 0 or kind != kinds[n - 1]
    ]  # each kind in one piece


@pytest.mark.parametrize("width", WIDTHS)
def test_a_click_on_a_drawing_shows_it_large(open_page: Opener, width: int) -> None:
    browser = open_page(width)
    picture = browser.find_element(By.CSS_SELECTOR, ".gallery a.picture")
    image = picture.find_element(By.TAG_NAME, "img")
    small, natural = image.rect["width"], image.get_property("naturalWidth")
    assert small < 0.6 * natural
    browser.execute_script("arguments[0].click()", picture)
    assert image.rect["width"] == natural
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    back = browser.find_element(By.CSS_SELECTOR, "figure:target a.smaller")
    browser.execute_script("arguments[0].click()", back)
    assert image.rect["width"] == small


def test_the_head_names_the_data_set_and_when(open_page: Opener) -> None:
    top = open_page().find_element(By.TAG_NAME, "header").text
    assert "Conversion of record_list" in top and "Finished 2026-01-01 12:00 UTC" in top
