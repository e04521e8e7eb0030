"""Look at a report in Chromium: it sorts by keys and clicks, delivers its files, asks for nothing, prints.

    python scripts/check_report.py out/mnist_hbnn/report.html out/pictures

drives a real browser over its debugging pipe, fails at the first thing that is wrong, and leaves pictures in
light and dark, and the printed page. `make browser` does so with the demo's report.
"""

from __future__ import annotations

import base64
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run")
WIDTHS = (1400, 1200, 820, 390)
SHEET = 718
"""A4 between margins of 1 cm [px]."""

PATIENCE_S = 60.0

# Every header of every table is clicked three times; the keys are compared with an order found here.
SORT_EVERYTHING = """
(() => {
  const wrong = [];
  let columns = 0;
  for (const table of document.querySelectorAll("table.sortable")) {
    const before = [...table.tBodies[0].rows];
    if (before.length < 2) continue;
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      const values = () => [...table.tBodies[0].rows].map((row) => row.cells[column].dataset.value)
        .filter((value) => value !== undefined).map(Number);
      const isSorted = (sign) => values().every((value, at, all) => !at || sign * (value - all[at - 1]) >= 0);
      const button = header.querySelector("button");
      columns += 1;
      button.click();
      if (header.ariaSort !== "ascending" || !isSorted(1)) wrong.push(header.textContent + " ascending");
      button.click();
      if (header.ariaSort !== "descending" || !isSorted(-1)) wrong.push(header.textContent + " descending");
      button.click();
      if ([...table.tBodies[0].rows].some((row, at) => row !== before[at])) wrong.push(header.textContent);
    });
  }
  return { columns, wrong };
})()
"""

# Texts that are printed over one another, or over the edge of their picture, in every picture that has any.
CLASHES = """
(() => {
  const wrong = [];
  for (const svg of document.querySelectorAll("figure svg")) {
    const box = (one) => one.getBoundingClientRect();
    const { left, right, top, bottom } = box(svg);
    const texts = [...svg.querySelectorAll("text")].map((text) => [text.textContent, box(text)]);
    texts.forEach(([text, here], at) => {
      const out = [left - here.left, here.right - right, top - here.top, here.bottom - bottom];
      if (Math.max(...out) > 1) wrong.push(`${text} leaves ${svg.ariaLabel}`);
      for (const [other, there] of texts.slice(at + 1)) {
        const across = Math.min(here.right, there.right) - Math.max(here.left, there.left);
        const along = Math.min(here.bottom, there.bottom) - Math.max(here.top, there.top);
        if (across > 1 && along > 3) wrong.push(`${text} and ${other} in ${svg.ariaLabel}`);
      }
    });
  }
  return wrong;
})()
"""

# Colours of the Pareto front: of its paper, its marks, its error, its numbers.
COLOURS = """
["body", ".pareto .design", ".pareto .error", ".pareto .own", ".pareto .number"]
  .map((name, at) => getComputedStyle(document.querySelector(name))[at ? "fill" : "backgroundColor"])
"""

FIRST_COLUMN = (
    "[...document.querySelector('table.sortable').tBodies[0].rows].map(r => r.cells[0].textContent)"
)
FIRST_BUTTON = "document.querySelector('table.sortable th button')"


class Browser:
    """Chromium behind its debugging pipe: commands out, events in, one page."""

    def __init__(self, out: int, into: int) -> None:
        self._out, self._into = out, into
        self._number = 0
        self._rest = b""
        self.session: str | None = None
        self.events: list[dict[str, Any]] = []

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._into, 1 << 20)
            if not piece:
                raise SystemExit("the browser went away")
            self._rest += piece
        text, self._rest = self._rest.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        return message

    def send(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send a command and return its result; events that come in between are kept."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._message()).get("id") != self._number:
            self.events.append(answer)
        if "error" in answer:
            raise SystemExit(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401 - whatever the page answers
        """Evaluate an expression in the page."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise SystemExit(f"{expression[:60]}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def press(self, key: str, text: str) -> None:
        """Press a key as a user does."""
        for kind in ("keyDown", "keyUp"):
            code = {"Enter": 13, " ": 32}[key]
            typed = {"text": text} if kind == "keyDown" else {}
            self.send("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **typed)

    def open(self, page: Path) -> None:
        """Load a page and wait until it is there."""
        self.send("Page.navigate", url=page.resolve().as_uri())
        deadline = time.monotonic() + PATIENCE_S
        while self.evaluate("document.readyState + location.protocol") != "completefile:":
            check(time.monotonic() < deadline, "the page must load")
            time.sleep(0.05)

    def emulate(self, media: str, scheme: str) -> None:
        """Pretend a medium and the user's choice of light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", media=media, features=features)

    def resize(self, width: int) -> None:
        """Set the width of the window [px]."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser with one empty page, and end it."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    check(program is not None, f"a browser must be installed, one of {', '.join(BROWSERS)}")
    there, out = os.pipe()
    into, back = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # The browser reads commands from descriptor 3 and writes answers to 4.
        shell = f'exec "$0" "$@" 3<&{there} 4>&{back}'
        process = subprocess.Popen(
            ["sh", "-c", shell, str(program), *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(there, back),
            stderr=subprocess.DEVNULL,
        )
        os.close(there)
        os.close(back)
        try:
            browser = Browser(out, into)
            target = browser.send("Target.createTarget", url="about:blank")["targetId"]
            session = browser.send("Target.attachToTarget", targetId=target, flatten=True)
            browser.session = session["sessionId"]
            yield browser
            browser.session = None
            browser.send("Browser.close")
        finally:
            os.close(out)
            os.close(into)
            process.terminate()
            process.wait()


def check(holds: bool, law: str) -> None:
    """Fail with the law that does not hold."""
    if not holds:
        raise SystemExit(f"FAILED: {law}")


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")


def check_silence(browser: Browser) -> None:
    """No request leaves the page, nothing is refused, nothing fails."""
    for event in browser.events:
        method, parameters = event["method"], event["params"]
        check(method != "Runtime.exceptionThrown", f"scripts must not fail: {parameters}")
        check(method != "Log.entryAdded", f"the browser must not complain: {parameters}")
        if method == "Network.requestWillBeSent":
            address = parameters["request"]["url"]
            check(address.startswith(("file:", "data:")), f"the page must ask for nothing, not {address}")


def check_sorting(browser: Browser) -> None:
    """All columns sort, and a header works by the keyboard."""
    found = browser.evaluate(SORT_EVERYTHING)
    check(not found["wrong"], f"columns must sort: {found['wrong']}")
    names = browser.evaluate(FIRST_COLUMN)
    browser.evaluate(f"{FIRST_BUTTON}.focus()")
    browser.press("Enter", "\r")
    check(browser.evaluate(FIRST_COLUMN) == sorted(names), "Enter must sort")
    browser.press(" ", " ")
    check(browser.evaluate(FIRST_COLUMN) == sorted(names, reverse=True), "the space bar must sort")
    browser.press("Enter", "\r")
    check(browser.evaluate(FIRST_COLUMN) == names, "the third time must restore the order")
    say(f"{found['columns']} columns sort by clicks, the first by keys")


def check_downloads(browser: Browser, folder: Path) -> list[Path]:
    """Every link delivers the file that the page holds; return the files."""
    browser.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder.resolve()))
    links = browser.evaluate("[...document.querySelectorAll('a[download]')].map(a => [a.download, a.href])")
    for at, (name, address) in enumerate(links):
        path = folder / name
        path.unlink(missing_ok=True)
        browser.send(
            "Runtime.evaluate",
            expression=f"document.querySelectorAll('a[download]')[{at}].click()",
            userGesture=True,
        )
        content = base64.b64decode(address.split(",", 1)[1])
        deadline = time.monotonic() + PATIENCE_S
        while not path.exists() or path.read_bytes() != content:
            check(time.monotonic() < deadline, f"{name} must arrive")
            time.sleep(0.05)
    say(f"{len(links)} files arrive: {', '.join(name for name, _ in links)}")
    return [folder / name for name, _ in links]


def check_labels(browser: Browser) -> None:
    """No text of a picture lies over another one, and none is cut off."""
    browser.resize(1200)
    found = browser.evaluate(CLASHES)
    check(not found, f"labels must have room: {found}")
    say("no labels lie over one another")


def check_pareto(browser: Browser, files: list[Path]) -> None:
    """The Pareto front has marks with errors, in light, dark and print, and its designs are in the files."""
    if not browser.evaluate("document.querySelectorAll('.pareto').length"):
        say("no exploration in this page: 'hbnn-hw report DIR --explored FILE' adds one")
        return
    kinds = (".design", ".whisker:not(.here)", ".own", "svg")
    marks, whiskers, own, panels = (
        browser.evaluate(f"document.querySelectorAll('.pareto {kind}').length") for kind in kinds
    )
    check(marks == whiskers > 0, f"every mark must have an error, not {whiskers} of {marks}")
    check(own == panels, f"this design must be marked in all {panels} plots, not in {own}")
    colours = {}
    for media, scheme in (("screen", "light"), ("screen", "dark"), ("print", "dark")):
        browser.emulate(media, scheme)
        colours[media, scheme] = browser.evaluate(COLOURS)
    light, dark, printed = colours.values()
    check(printed == light, f"printed colours must be the light ones, not {printed}")
    check(all(map(str.__ne__, light, dark)), f"all colours must differ in the dark: {light}, {dark}")
    check(all(paper not in ink for paper, *ink in (light, dark)), "nothing must have the paper's colour")
    browser.emulate("screen", "light")
    (table,) = (path for path in files if path.name.endswith("_explored.csv"))
    (document,) = (path for path in files if path.suffix == ".json")
    points = json.loads(document.read_bytes())["exploration"]["points"]
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    check(
        [row["on_front"] for row in rows] == [str(point["on_front"]) for point in points], "files must agree"
    )
    front = browser.evaluate("document.querySelectorAll('#pareto tbody tr').length")
    check(front == sum(point["on_front"] for point in points), "the table must have the whole front")
    say(f"{panels} Pareto plots of {len(points)} points, {front} on the front")


def check_without_scripts(browser: Browser, page: Path) -> None:
    """Tables and pictures are there without scripts, too, and headers are plain text."""
    count = "[document.querySelectorAll('tbody tr').length, document.querySelectorAll('svg, img').length]"
    before = browser.evaluate(count)
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(page)
    check(browser.evaluate(count) == before, "nothing must be missing without scripts")
    check(
        browser.evaluate("document.querySelectorAll('th button').length") == 0, "headers must be plain text"
    )
    browser.send("Emulation.setScriptExecutionDisabled", value=False)
    browser.open(page)
    say("the page is whole without scripts")


def check_widths(browser: Browser) -> None:
    """The page never scrolls sideways; wide tables do so in their own frames."""
    for width in WIDTHS:
        browser.resize(width)
        found = browser.evaluate("document.documentElement.scrollWidth")
        check(found <= width, f"the page must fit {width} px, not take {found}")
    say(f"fits {', '.join(map(str, WIDTHS))} px")


def take_pictures(browser: Browser, folder: Path) -> None:
    """Photograph light and dark, and print; paper is white whatever the user's choice."""
    paper = "getComputedStyle(document.body).backgroundColor"
    browser.send("Emulation.setScrollbarsHidden", hidden=True)  # they would cover the edge of the pictures
    browser.resize(1200)
    for scheme, expected in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 23, 26)")):
        browser.emulate("screen", scheme)
        check(browser.evaluate(paper) == expected, f"{scheme} paper must be {expected}")
        shot = browser.send("Page.captureScreenshot", captureBeyondViewport=True)
        (folder / f"{scheme}.png").write_bytes(base64.b64decode(shot["data"]))
    browser.emulate("print", "dark")
    check(browser.evaluate(paper) == "rgb(255, 255, 255)", "printed paper must be white")
    browser.resize(SHEET)
    found = browser.evaluate("document.documentElement.scrollWidth")
    check(found <= SHEET, f"nothing must be cut off on paper, {found} px do not fit {SHEET}")
    shot = browser.send("Page.captureScreenshot", captureBeyondViewport=True)
    (folder / "sheet.png").write_bytes(base64.b64decode(shot["data"]))
    browser.emulate("", "light")
    printed = browser.send("Page.printToPDF", printBackground=True)
    (folder / "printed.pdf").write_bytes(base64.b64decode(printed["data"]))
    say(f"light.png, dark.png, sheet.png and printed.pdf are in {folder}")


def main(page: Path, folder: Path) -> None:
    """Check a page and leave its pictures in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for domain in ("Page", "Runtime", "Network", "Log"):
            browser.send(f"{domain}.enable")
        browser.open(page)
        check_sorting(browser)
        files = check_downloads(browser, folder)
        check_pareto(browser, files)
        check_labels(browser)
        check_without_scripts(browser, page)
        check_widths(browser)
        take_pictures(browser, folder)
        check_silence(browser)
    say("no request left the page, and the browser had nothing to complain about")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: python scripts/check_report.py REPORT.HTML FOLDER")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
