#!/usr/bin/env bash
# Installs missing dependencies of the build and the tests: packages of Debian 12 (as root or with sudo), and ptxas and
# nvdisasm from PyPI into the virtual environment .venv of this checkout. --python also installs those of the Python package.
# Does nothing, and needs no network, if nothing is missing. Set DGEMM_PTXAS or DGEMM_NVDISASM to use your own program instead
# of the wheel.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

PACKAGES=(
  # LLVM and MLIR 22, and the libraries that their CMake packages name.
  llvm-22-dev llvm-22-tools libmlir-22-dev mlir-22-tools
  libzstd-dev zlib1g-dev libz3-dev libxml2-dev libffi-dev
  # Compiler, linker, build.
  clang-22 lld-22 cmake ninja-build ccache
  # Tests; the run-time libraries of the sanitizers and of libFuzzer.
  libgtest-dev clang-format-22 libclang-rt-22-dev zsh
  # lit, pip for the wheels, and headers for the Python extension.
  python3 python3-venv python3-dev ca-certificates
)

# Dependencies of the Python package and its tests.
PYTHON_PACKAGES=(nanobind==3.1.0 scikit-build-core==1.1.2 wheel auditwheel==6.8.2 numpy ml_dtypes pytest mkdocs-material==9.8.2 matplotlib
  jax==0.6.1 jaxlib==0.6.1)

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

# is_pinned PROGRAM RELEASE: .venv holds this release of it.
is_pinned() {
  local file
  file=$(venv_cuda_program "$1")
  [[ -n $file && $("$file" --version) == *"release $2,"* ]]
}

make_venv() {
  # An interrupted earlier run may have left an incomplete environment.
  if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    /usr/bin/python3 -m venv --clear .venv
  fi
}

install_python_packages() {
  if .venv/bin/python -m pip install --no-index --dry-run --quiet "${PYTHON_PACKAGES[@]}" >/dev/null 2>&1; then
    say "Python packages: all ${#PYTHON_PACKAGES[@]} are in .venv"
    return
  fi
  say "Python packages: installing ${PYTHON_PACKAGES[*]} into .venv"
  make_venv
  .venv/bin/python -m pip install --no-input --disable-pip-version-check "${PYTHON_PACKAGES[@]}"
}

# install_wheel PROGRAM RELEASE VARIABLE WHEEL: installs the program into .venv, unless VARIABLE names one to use.
install_wheel() {
  local program=$1 release=$2 variable=$3 wheel=$4
  local named=${!variable:-}
  if [[ -n $named ]]; then
    [[ -x $named ]] || die "$variable names '$named', which is not an executable file"
    say "$program: $named, as $variable says"
    return
  fi
  if is_pinned "$program" "$release"; then
    say "$program: $release is in .venv"
    return
  fi
  say "$program: installing $wheel into .venv"
  make_venv
  .venv/bin/python -m pip install --no-input --disable-pip-version-check --no-deps --force-reinstall "$wheel"
  is_pinned "$program" "$release" || die "the wheel $wheel is installed, but .venv holds no working $program $release"
}

install_packages
install_wheel ptxas "$PTXAS_RELEASE" DGEMM_PTXAS "$PTXAS_WHEEL"
install_wheel nvdisasm "$NVDISASM_RELEASE" DGEMM_NVDISASM "$NVDISASM_WHEEL"
if [[ ${1:-} == --python ]]; then
  install_python_packages
fi
