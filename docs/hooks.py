"""Add the committed results, configurations and methods' pages to the site.

On a code host the documentation links to files outside `docs` (`../benchmarks/digits/README.md`). The site's root is
`docs`, so these files are added to it, and one `../` is removed from each such link.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
_SHOWN = (
    "benchmarks/**/*.md",
    "benchmarks/**/*.png",
    "benchmarks/**/*.csv",
    "benchmarks/**/*.tex",
    "benchmarks/**/*.py",
    "configs/**/*.yaml",
    "adapt/**/*.py",
    "CONTRIBUTING.md",
    "CITATION.cff",
    "constraints.txt",
)


def on_config(config: Any) -> Any:
    """List the methods' pages under their heading."""
    pages = sorted(path.name for path in (ROOT / "docs" / "methods").glob("*.md") if path.name != "index.md")
    for entry in config["nav"]:
        if isinstance(entry, dict) and entry.get("Methods") == "methods/":
            entry["Methods"] = ["methods/index.md", *(f"methods/{name}" for name in pages)]
        if isinstance(entry, dict) and isinstance(entry.get("Results"), str):
            found = sorted((ROOT / "benchmarks").glob("*/README.md"))
            entry["Results"] = ["results.md", *(str(path.relative_to(ROOT)) for path in found)]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the files that the pages link to."""
    for pattern in _SHOWN:
        for path in sorted(ROOT.glob(pattern)):
            name = str(path.relative_to(ROOT))
            if files.get_file_from_path(name) is None:
                files.append(File(name, str(ROOT), config["site_dir"], config["use_directory_urls"]))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Make links from `docs`, and links into `docs`, start at the site's root."""
    if page.file.src_dir == config["docs_dir"]:
        return re.sub(
            r"(\]\((?:\.\./)*)\.\./(?=(?:benchmarks|configs|adapt|README|CONTRIBUTING|CITATION|constraints))",
            r"\1",
            markdown,
        )

    # A link to a folder becomes a link to its README.
    def to_readme(match: re.Match[str]) -> str:
        target = (ROOT / page.file.src_uri).parent / match[2]
        return f"]({match[2].rstrip('/')}/README.md)" if target.is_dir() else match[0]

    markdown = re.sub(r"(\]\()([\w./-]+)\)", to_readme, markdown)
    return re.sub(r"\]\(((?:\.\./)*)docs/", r"](\1", markdown)
