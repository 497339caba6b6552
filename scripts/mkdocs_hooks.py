"""Hooks of mkdocs: links to files outside of docs/ become names of files in the site.
scripts/check-links.py checks that these files exist.
"""

import posixpath
import re

LINK = re.compile(r"\[([^\]]*)\]\((?![a-z]+:|#)([^)\s#]+)[^)]*\)")


def on_page_markdown(markdown, page, **_):
    folder = posixpath.dirname(posixpath.join("docs", page.file.src_uri))

    def outside(match):
        target = posixpath.normpath(posixpath.join(folder, match[2]))
        if target.startswith("docs/"):
            return match[0]
        return f"`{target}`" if match[1] == target or target.endswith(match[1]) else f"{match[1]} (`{target}`)"

    return LINK.sub(outside, markdown)
