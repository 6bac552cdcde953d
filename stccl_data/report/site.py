"""A report on disk: renders templates into pages, and copies what the pages load."""

import base64
import json
import math
import mimetypes
import shutil
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from stccl_data.errors import UsageError

#: The packages whose `templates` folders are searched.
_TEMPLATE_PACKAGES = ("stccl_data.report", "stccl_train.report")
#: What stands in the front page of every report; a folder without it is not overwritten.
_MARKER = '<meta name="generator" content="stccl report">'
_FOLDERS = ("assets", "clips", "data", "media", "pairs")
#: The tags that load an asset, and those that hold it. plotly.js is large, so no page waits for it.
_TAGS = {
    "report.css": ('<link rel="stylesheet" href="{}">', "<style>{}</style>"),
    "report.js": ('<script src="{}" defer></script>', "<script>{}</script>"),
    "plotly.min.js": ('<script id="plotly" src="{}" async></script>', "<script>{}</script>"),
}


class Site:
    """The pages of one report.

    A single-file site is one page that holds its style, scripts, data and media itself.
    """

    def __init__(self, folder: Path, single_file: bool = False) -> None:
        """Make the folder, or empty that of an earlier report.

        Args:
            folder: where the pages go.
            single_file: write `index.html` alone.

        Raises:
            UsageError: the folder holds something else than a report, or cannot be written.
        """
        self.folder = folder
        self.single_file = single_file
        self._environment = _environment()
        self._environment.globals |= {"asset": self._asset, "embed": self.embed}
        _clear(folder)
        self._copy_assets()

    def _copy_assets(self) -> None:
        """Write the style and the scripts, unless the page holds them itself."""
        for name in () if self.single_file else _TAGS:
            path = self.folder / "assets" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(_asset_text(name), encoding="utf-8")

    def write_page(self, name: str, template: str, /, **values: Any) -> Path:
        """Render a template into a page.

        Args:
            name: of the page, relative to the folder: `pairs/0001.html`.
            template: file name in a `templates` folder.
            values: what the template shows.
        """
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        root = "../" * name.count("/")
        page = self._environment.get_template(template)
        path.write_text(
            page.render(root=root, single_file=self.single_file, **values), encoding="utf-8"
        )
        return path

    def write_data(self, name: str, values: Any, later: bool = False) -> Markup:
        """Store data for the script under ``window.stccl[name]``; return the tag that loads it.

        Args:
            name: of the data.
            values: plain values.
            later: the script loads it once the page is there.
        """
        # Browsers read JSON in a string several times faster than the same as code. It holds no
        # apostrophe, see `safe_json`.
        text = safe_json(values).replace("\\", "\\\\")
        code = f"(window.stccl ??= {{}})[{json.dumps(name)}] = JSON.parse('{text}');\n"
        if self.single_file:
            return Markup("<script>{}</script>").format(Markup(code))
        path = self.folder / "data" / f"{name}.js"
        path.parent.mkdir(exist_ok=True)
        path.write_text(code, encoding="utf-8")
        if later:
            return Markup('<template class="later" data-src="data/{}.js"></template>').format(name)
        return Markup('<script src="data/{}.js" defer></script>').format(name)

    def embed(self, root: str, path: str) -> str:
        """Return the address of a media file, or its content in a single-file site."""
        if not self.single_file:
            return root + path
        kind = mimetypes.guess_type(path)[0] or {"webp": "image/webp"}[path.rpartition(".")[2]]
        content = base64.b64encode((self.folder / path).read_bytes()).decode()
        return f"data:{kind};base64,{content}"

    def finish(self) -> Path:
        """Return the path of the front page; of a single-file site nothing else is kept."""
        if self.single_file:
            for name in _FOLDERS:
                shutil.rmtree(self.folder / name, ignore_errors=True)
        return self.folder / "index.html"

    def _asset(self, root: str, name: str) -> Markup:
        """Return the tag of a style or a script."""
        linked, embedded = _TAGS[name]
        if not self.single_file:
            return Markup(linked).format(f"{root}assets/{name}")
        return Markup(embedded).format(Markup(_asset_text(name).replace("</script", r"<\/script")))


def safe_json(values: Any) -> Markup:
    """Return JSON that may stand in a page: no value can end the script that it is in.

    Numbers that JSON does not have, NaN and infinity, become null.
    """
    return htmlsafe_json_dumps(_plain(values), separators=(",", ":"), ensure_ascii=True)


def _plain(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        number = float(value)
        return float(f"{number:.5g}") if math.isfinite(number) else None
    if isinstance(value, np.integer | np.bool_):
        return value.item()
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    return value if value is None or isinstance(value, bool | int) else str(value)


def figure_text(value: Any) -> str:
    """Format a score for people; a dash if it is unknown."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.3g}" if isinstance(value, float) else str(value)


def _environment() -> jinja2.Environment:
    loaders = [jinja2.FileSystemLoader(str(folder)) for folder in _template_folders()]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"json": safe_json, "figure": figure_text}
    return environment


def _template_folders() -> list[Path]:
    base = Path(__file__).parents[2]
    folders = [base.joinpath(*package.split("."), "templates") for package in _TEMPLATE_PACKAGES]
    return [folder for folder in folders if folder.is_dir()]


@lru_cache
def _asset_text(name: str) -> str:
    if name == "plotly.min.js":
        return files("plotly").joinpath("package_data", name).read_text(encoding="utf-8")
    return files("stccl_data.report").joinpath("assets", name).read_text(encoding="utf-8")


def _is_report(folder: Path) -> bool:
    try:
        return _MARKER in (folder / "index.html").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _clear(folder: Path) -> None:
    """Make a folder for a report, without the files of an earlier one."""
    try:
        is_foreign = folder.exists() and any(folder.iterdir()) and not _is_report(folder)
    except NotADirectoryError:
        is_foreign = True
    if is_foreign:
        raise UsageError(f"{folder} is not empty and holds no report; choose another with --to")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in _FOLDERS:
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder / "index.html").write_text(f"{_MARKER}<p>This report is not finished.")
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written ({error.strerror}); choose another folder with --to"
        ) from error
