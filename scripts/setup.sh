#!/usr/bin/env bash
# Installs what the build and the tests need and this machine lacks: packages of Debian 12 (as root or with sudo), and
# ptxas from PyPI in the virtual environment .venv of this checkout. Does nothing, and needs no network, where all is
# there. Set DGEMM_PTXAS to use a ptxas of your own instead of the wheel.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

PACKAGES=(
  # LLVM and MLIR 22, and the libraries that their CMake packages name.
  llvm-22-dev llvm-22-tools libmlir-22-dev mlir-22-tools
  libzstd-dev zlib1g-dev libz3-dev libxml2-dev libffi-dev
  # Compiler, linker, build.
  clang-22 lld-22 cmake ninja-build ccache
  # Tests.
  libgtest-dev clang-format-22
  # lit, and pip for the ptxas wheel.
  python3 python3-venv ca-certificates
)

is_installed() {
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed* ]]
}

as_root() {
  if [[ $(id -u) -eq 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "installing packages needs root: run this script as root, or install sudo"
  fi
}

install_packages() {
  command -v apt-get >/dev/null || die "this script is for Debian 12; apt-get is missing"
  local missing=() package
  for package in "${PACKAGES[@]}"; do
    is_installed "$package" || missing+=("$package")
  done
  if [[ ${#missing[@]} -eq 0 ]]; then
    say "Debian packages: all ${#PACKAGES[@]} are installed"
    return
  fi
  say "Debian packages: installing ${missing[*]}"
  local apt=(apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  as_root "${apt[@]}" update
  as_root env DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null
}

has_pinned_ptxas() {
  local file
  file=$(venv_ptxas)
  [[ -n $file && $("$file" --version) == *"release $PTXAS_RELEASE,"* ]]
}

install_ptxas() {
  if [[ -n ${DGEMM_PTXAS:-} ]]; then
    [[ -x $DGEMM_PTXAS ]] || die "DGEMM_PTXAS names '$DGEMM_PTXAS', which is not an executable file"
    say "ptxas: $DGEMM_PTXAS, as DGEMM_PTXAS says"
    return
  fi
  if has_pinned_ptxas; then
    say "ptxas: $PTXAS_RELEASE is in .venv"
    return
  fi
  say "ptxas: installing $PTXAS_WHEEL into .venv"
  # An interrupted earlier run may have left half an environment.
  if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    /usr/bin/python3 -m venv --clear .venv
  fi
  .venv/bin/python -m pip install --no-input --disable-pip-version-check --no-deps --force-reinstall "$PTXAS_WHEEL"
  has_pinned_ptxas || die "the wheel $PTXAS_WHEEL is installed, but .venv holds no working ptxas $PTXAS_RELEASE"
}

install_packages
install_ptxas
