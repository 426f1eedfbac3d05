"""Make the two pictures of the README from the bundled demo: `make pictures`.

One is the ECG page of a study, the other the head of the report of a run, as Chromium shows it.
"""

import io
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

import chromium  # noqa: E402
from wfdb2dicom.cli.run import run_snakemake  # noqa: E402
from wfdb2dicom.page.draw import draw  # noqa: E402

DEMO = ROOT / "tests/data/demo"
STUDY = "files/p9000/p90000001/s94000001/94000001"
WIDTH, HEIGHT = 900, 500  # of the report's head, in CSS pixels
COLOURS = 64


def convert(folder: Path) -> None:
    """Run the workflow on the demo in a folder; one of its studies is damaged on purpose."""
    (folder / "demo").symlink_to(DEMO)  # the report shows its path
    options = ["input_csv=demo/record_list.csv", "wfdb_dir=demo", "metadata=demo/machine_measurements.csv"]
    arguments = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder), "--cores", "2"]
    if run_snakemake([*arguments, "--config", *options, "max_failed=0.1"]):
        sys.exit("the demo was not converted")


def save(picture: bytes, name: str) -> None:
    """Write a PNG with few colours, which a drawing does not show and a repository has to keep."""
    image = Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    image.save(Path(__file__).with_name(name), optimize=True)


def main() -> None:
    """Convert, draw, photograph."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        convert(folder)
        page = io.BytesIO()
        draw(folder / f"dicom/{STUDY}.dcm", page, "png", pixels_per_mm=3)
        save(page.getvalue(), "ecg-page.png")
        browser = chromium.start(folder / "profile")
        try:
            chromium.resize(browser, WIDTH, HEIGHT)
            browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
            browser.get((folder / "results/report/index.html").as_uri())
            save(browser.get_screenshot_as_png(), "report.png")
        finally:
            browser.quit()


if __name__ == "__main__":
    main()
