"""What the README and the pages of docs/ say is true: their commands run, their links lead somewhere, the site builds."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from blocks import RUN, find_difference, read_blocks

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "python/deep_gemm_compat/README.md",
         *sorted(path for path in (ROOT / "docs").rglob("*.md") if "generated" not in path.parts)]
LLVM = Path("/usr/lib/llvm-22/bin")
SECONDS = 60  # for one block

# The first question of each kind of user, and the page that answers it.
READERS = {
    "runs dgemm-opt on IR": "docs/tutorials/run-passes.md",
    "wants PTX for a shape": "docs/tutorials/emit-ptx.md",
    "embeds the compiler": "docs/tutorials/embed.md",
    "tests a pass": "docs/tutorials/test-a-pass.md",
    "calls it from Python": "docs/tutorials/python.md",
}


def find_build() -> Path | None:
    """The build tree whose package is imported."""
    package = importlib.util.find_spec("dgemm")
    build = Path(package.origin).parents[2] if package and package.origin else None
    return build if build and (build / "bin" / "dgemm-opt").exists() else None


def has_gpu() -> bool:
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available() and torch.cuda.get_device_capability() == (9, 0)


def make_checkout(folder: Path, build: Path) -> None:
    """A folder that looks like the checkout after a build; what a command writes stays in it."""
    for entry in ROOT.iterdir():
        if entry.name not in (".git", "out", "dist", "site") and not entry.name.startswith("build"):
            (folder / entry.name).symlink_to(entry)
    # Not links to the build tree itself: what configures it again from here would spoil it.
    for name in ("build", "build-static"):
        (folder / name).mkdir()
        for part in ("bin", "python", "test"):
            (folder / name / part).symlink_to(build / part)


def environment(folder: Path, build: Path) -> dict[str, str]:
    site = build / "python"
    return {**os.environ, "PATH": f"{build}/bin:{ROOT}/.venv/bin:{LLVM}:{os.environ['PATH']}", "PYTHONPATH": str(site),
            "DGEMM_TOOLS": str(build / "bin"), "DGEMM_CACHE_DIR": str(folder / "cache"), "VIRTUAL_ENV": str(ROOT / ".venv")}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands(path, tmp_path):
    build = find_build()
    blocks = read_blocks(path)
    if build is None:
        pytest.skip("no build tree")
    make_checkout(tmp_path, build)
    printed = None
    for block in blocks:
        where = f"{path.relative_to(ROOT)}:{block.line}"
        if block.note.startswith("output"):
            assert block.note in ("output", "output, numbers vary"), f"{where}: {block.note}"
            if printed is not None:
                line = find_difference(block.text, printed, "numbers vary" in block.note)
                assert line is None, f"{where}: the command does not print\n{line}\nbut\n{printed}"
            continue
        if block.note.startswith("from "):
            line = find_difference(block.text.replace("\n", "\n...\n"), (ROOT / block.note[5:]).read_text())
            assert line is None, f"{where}: {block.note[5:]} has no line\n{line}"
            continue
        if block.language not in RUN:
            continue
        printed = None
        if block.note.startswith("not run: ") and len(block.note) > 12 or block.note == "needs gpu" and not has_gpu():
            continue
        if block.note == "needs jax" and importlib.util.find_spec("jax") is None:
            continue
        assert block.note in ("", "needs gpu", "needs jax"), f"{where}: {block.note}"
        command = ["bash", "-euc"] if block.language == "sh" else [sys.executable, "-c"]
        print(f"{where}: running", flush=True)
        result = subprocess.run([*command, block.text], cwd=tmp_path, env=environment(tmp_path, build), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=SECONDS)
        printed = result.stdout
        assert result.returncode == 0, f"{where}: exit code {result.returncode}\n{printed}"


def links(path: Path) -> set[Path]:
    targets = re.findall(r"\]\(([^)\s#]+)[^)]*\)", path.read_text())
    return {(path.parent / target).resolve() for target in targets if not re.match(r"[a-z]+:", target)}


def clicks_from_readme() -> dict[Path, int]:
    """Each page that links lead to, with the fewest clicks from the README."""
    clicks, pages = {ROOT / "README.md": 0}, [ROOT / "README.md"]
    for page in pages:
        for target in sorted(links(page)):
            if target not in clicks and target.suffix == ".md" and target.exists():
                clicks[target] = clicks[page] + 1
                pages.append(target)
    return clicks


@pytest.mark.parametrize("reader, page", READERS.items(), ids=[Path(page).stem for page in READERS.values()])
def test_readers_find_their_page(reader, page):
    clicks = clicks_from_readme().get(ROOT / page)
    assert clicks is not None and clicks <= 2, f"{page}, for a reader who {reader}, is {clicks} clicks from README.md; at most 2 are allowed"
    assert any(block.language in RUN and not block.note.startswith("not run") for block in read_blocks(ROOT / page)), \
        f"{page} has no command that a test runs"


def test_every_page_is_near_the_readme():
    clicks = clicks_from_readme()
    pages = set((ROOT / "docs").rglob("*.md")) - {ROOT / "docs/index.md"}  # the front page of the site
    far = sorted(str(page.relative_to(ROOT)) for page in pages if clicks.get(page, 3) > 2)
    assert not far, f"more than two clicks from README.md: {far}"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_speed_is_that_of_the_newest_run():
    result = subprocess.run([sys.executable, "benchmarks/readme.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_help_is_what_the_tools_print():
    build = find_build()
    if build is None:
        pytest.skip("no build tree")
    result = subprocess.run([sys.executable, "scripts/generate-help.py", build / "bin", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("line, wanted", [
    (["dgemm-gen", "--emit", "=", "spec"], ["specialized"]),
    (["dgemm-run", "--device", "="], ["auto", "gpu", "emulator"]),
    (["dgemm-run", "--input-s"], ["--input-scale-a=", "--input-scale-b="]),
    (["/usr/bin/dgemm-sass", "--loop"], ["--loop-stats"]),
    (["dgemm-opt", "--dgemm-tile"], ["--dgemm-tile-problem"]),
    (["dgemm-gen", "kern"], []),  # bash then completes names of files
])
def test_completion_in_bash(line, wanted):
    script = f"source tools/completion/dgemm.bash; COMP_WORDS=({' '.join(line)}); COMP_CWORD={len(line) - 1}; _dgemm {line[0]}; " \
        'printf "%s\\n" "${COMPREPLY[@]}"'
    printed = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True).stdout.split()
    assert printed == wanted


ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; fpath=($PWD/tools/completion \$fpath); autoload -Uz compinit; compinit -D -u; bindkey '^I' complete-word; \
unsetopt zle_bracketed_paste; stty -echo; echo RE''ADY"
zpty -r shell line '*READY*'
zpty -w -n shell "$1"$'\t\t'
sleep 1
while zpty -r -t shell line; do print -rn -- "$line"; done
zpty -d shell
"""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize("line, wanted", [
    ("dgemm-gen --out=", {"bf16", "f16", "f32"}), ("dgemm-run --devi", {"auto", "gpu", "emulator"}), ("dgemm-sass --loop-s", {"--loop-stats"}),
])
def test_completion_in_zsh(line, wanted):
    """In an interactive zsh, as a user would press the tab key twice."""
    printed = subprocess.run(["zsh", "-f", "-c", ZSH, "zsh", line], cwd=ROOT, capture_output=True, text=True, timeout=60).stdout
    assert wanted <= set(re.findall(r"[\w-]+", re.sub(r"\x1b\[[\d?;]*[A-Za-z]", "", printed))), printed


def test_the_site_builds(tmp_path):
    """Strictly: a link to a page or heading that is not there, or a page that is in no menu, is an error."""
    if importlib.util.find_spec("material") is None:
        pytest.skip("mkdocs-material is not installed")
    result = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"],
                            cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "site" / "index.html").exists()


def test_programs_are_executable():
    """A file whose first line names an interpreter is a program, and CI calls it by its path."""
    folders = ("benchmarks", "examples", "fuzz", "scripts", "test", "tools")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*") if file.is_file()]
    programs = [file for file in files if file.read_bytes().startswith(b"#!")]
    assert programs
    assert [file for file in programs if not os.access(file, os.X_OK)] == []


def test_the_check_of_output_can_fail():
    text = "a 1.5 ms\nb\nc\n"
    assert find_difference("a ... ms\nb\n", text) is None
    assert find_difference("a 2.25 ms\nb\n", text, numbers_vary=True) is None
    assert find_difference("a 2.25 ms\nb\n", text) == "a 2.25 ms"
    assert find_difference("a ...\nc\n", text) == "c"
    assert find_difference("a ...\n...\nc\n", text) is None


