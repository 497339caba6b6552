#!/usr/bin/env python3
"""Writes docs/generated/help.md, and tools/completion for bash and zsh, from the tools' --help.
usage: generate-help.py [FOLDER] [--check]     FOLDER has the tools (default: build/bin). --check writes nothing, and exits with 1
                                               if a file is out of date
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
TOOLS = ("dgemm-gen", "dgemm-opt", "dgemm-run", "dgemm-sass", "dgemm-tune")
# The options of dgemm-opt that are ours or used most. The others depend on the installed LLVM.
UPSTREAM = ("--canonicalize", "--cse", "--inline", "--mlir-print-debuginfo", "--mlir-print-ir-after-all", "--mlir-print-ir-before-all",
            "--mlir-timing", "--pass-pipeline=", "--split-input-file", "--verify-diagnostics", "--verify-each", "-o")
NOTE = "Written by scripts/generate-help.py; edit the options in tools/."
PAGE = f"""<!-- {NOTE} -->

# Options of the tools

`dgemm-opt` has the options of `mlir-opt`, and the [passes](passes.md) of this project.
"""


def read_options(text):
    """The description and the possible values of each option in the text of --help."""
    options, last = {}, None
    for line in text.split("\n"):
        # Passes of dgemm-opt are indented by 6 columns, their options by more.
        if option := re.match(r"(?: {2}| {6})(--?[\w-]+)(=<[^>]*>| <[^>]*>)?\s+- (.*)", line):
            last = ("-" + option[1] if option[1].startswith("-") and len(option[1]) > 2 and option[1][1] != "-" else option[1]) + \
                ("=" if (option[2] or "").startswith("=") else "")
            options[last] = (option[3].split(". ")[0], [])
            if stages := re.match(r"What to write: (.*)", option[3]):
                options[last][1].extend(re.findall(r"(?:^|, (?:or )?)(\w+)", re.sub(r"\([^)]*\)", "", stages[1])))
        elif last and (value := re.match(r" {4,10}=([\w/-]+)\s", line + " ")):
            options[last][1].append(value[1])
    return options


def for_bash(tools):
    lines = [f"# Completion of the tools of dgemm for bash: source this file. {NOTE}", "_dgemm() {",
             "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} option words=",
             "  # Bash splits words at =.", "  option=$before", "  if [[ $word == = ]]; then", "    word=",
             "  elif [[ $before == = ]]; then", "    option=${COMP_WORDS[COMP_CWORD - 2]}", "  fi", '  case "${1##*/}:$option" in']
    for tool, options in tools.items():
        lines += [f"    {tool}:{name.rstrip('=')}) words='{' '.join(values)}' ;;" for name, (_, values) in options.items() if values]
    lines += ["  esac", '  if [[ -z $words && $word == -* ]]; then', '    case "${1##*/}" in']
    lines += [f"      {tool}) words='{' '.join(options)}' ;;" for tool, options in tools.items()]
    lines += ["    esac", "  fi", "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")",
              "  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then", "    compopt -o nospace", "  fi", "}",
              f"complete -o default -F _dgemm {' '.join(tools)}"]
    return "\n".join(lines) + "\n"


def for_zsh(tools):
    def quote(text):
        return re.sub(r"([\[\]:\\])", r"\\\1", text).replace("'", "'\\''")

    lines = [f"#compdef {' '.join(tools)}", f"# Completion of the tools of dgemm for zsh: put this file into a folder of fpath. {NOTE}",
             "case $service in"]
    for tool, options in tools.items():
        lines.append(f"  {tool})\n    _arguments \\")
        for name, (description, values) in options.items():
            action = f":value:({' '.join(values)})" if values else ":value:_files" if name.endswith("=") else ""
            lines.append(f"      '{name}[{quote(description)}]{action}' \\")
        lines.append("      '*:file:_files'\n    ;;")
    return "\n".join([*lines, "esac"]) + "\n"


def main():
    folder = pathlib.Path(next((argument for argument in sys.argv[1:] if argument != "--check"), ROOT / "build/bin"))
    page, tools = PAGE, {}
    for tool in TOOLS:
        text = subprocess.run([folder / tool, "--help"], capture_output=True, text=True, check=True).stdout.rstrip()
        tools[tool] = {name: option for name, option in read_options(text).items()
                       if tool != "dgemm-opt" or name.startswith("--dgemm") or name in UPSTREAM}
        if tool != "dgemm-opt":
            text = "\n".join(line.rstrip() for line in text.split("\n"))
            page += f"\n## {tool}\n\n```text\n{text}\n```\n"
    files = {"docs/generated/help.md": page, "tools/completion/dgemm.bash": for_bash(tools), "tools/completion/_dgemm": for_zsh(tools)}
    for name, text in files.items():
        path = ROOT / name
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"error: {name} is out of date: run scripts/generate-help.py")


if __name__ == "__main__":
    main()
