"""Writes what depends on the repository's public address ([tool.rlpjepa] in pyproject.toml) where it is needed.

README gets badges, CITATION its link, and the notebooks' first cell the place to install from. While the address is
empty, nothing is written and what stood there before is removed.
"""

import re
import tomllib
from pathlib import Path

from series import all_names

BADGES = re.compile(r"<!-- address -->.*?<!-- /address -->", re.DOTALL)


def readme_with_address(text, repository):
    """README's text with badges and launch button for the repository "owner/name", or without any for ""."""
    lines = []
    if repository:
        github = f"https://github.com/{repository}"
        colab = (
            f"https://colab.research.google.com/github/{repository}/blob/main/notebooks/05_pretraining_cifar100.ipynb"
        )
        lines = [
            f"[![CI]({github}/actions/workflows/ci.yml/badge.svg)]({github}/actions/workflows/ci.yml)",
            f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})",
        ]
    return BADGES.sub("\n".join(["<!-- address -->", *lines, "<!-- /address -->"]), text)


def citation_with_address(text, repository):
    """The citation file with or without its ``repository-code`` line."""
    text = re.sub(r"^repository-code: .*\n", "", text, flags=re.MULTILINE)
    line = f'repository-code: "https://github.com/{repository}"\n' if repository else ""
    return re.sub(r"^license:", line + "license:", text, count=1, flags=re.MULTILINE)


def notebook_with_address(text, repository):
    """A notebook's .py with the address in its first cell."""
    return re.sub('^REPOSITORY = ".*"', f'REPOSITORY = "{repository}"', text, flags=re.MULTILINE)


def main(root=Path(__file__).parents[1]):
    repository = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["rlpjepa"]["repository"]
    if repository and not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise SystemExit(f'repository in pyproject.toml must read "owner/name" or be empty, got {repository!r}')
    changes = {root / "README.md": readme_with_address, root / "CITATION.cff": citation_with_address}
    notebooks = [root / "notebooks" / f"{name}.py" for name in all_names()]
    changes |= {path: notebook_with_address for path in notebooks if path.exists()}
    for path, change in changes.items():
        old = path.read_text(encoding="utf-8")
        new = change(old, repository)
        if new != old:
            path.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
