#!/usr/bin/env bash
# Builds the pages of docs/ as a site into site/: docs.sh [--serve]
#   --serve  shows it at http://127.0.0.1:8000 and rebuilds a page when it changes
# A broken link is an error.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
.venv/bin/python -c 'import material' 2>/dev/null || die ".venv lacks mkdocs-material: run scripts/setup.sh --python first"
export NO_MKDOCS_2_WARNING=1
case ${1:-} in
  "") .venv/bin/python -m mkdocs build --strict --quiet && echo "site/index.html" ;;
  --serve) exec .venv/bin/python -m mkdocs serve --strict ;;
  -h | --help) sed -n '2,/^# shellcheck/{/^# shellcheck/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" ;;
  *) die "usage: docs.sh [--serve]" ;;
esac
