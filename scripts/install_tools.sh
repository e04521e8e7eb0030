#!/bin/sh
# Install Icarus Verilog, ccache, Tcl (the tests run the HLS build scripts in it) and clang (a second opinion on the
# generated C++ and C) with the system's package manager, as root or through sudo.
set -eu
as_root=""
if [ "$(id -u)" != 0 ]; then
    as_root="sudo"
fi
if command -v apt-get >/dev/null; then
    $as_root apt-get update -qq
    $as_root apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 iverilog ccache tcl clang
elif command -v dnf >/dev/null; then
    $as_root dnf install -y iverilog ccache tcl clang
elif command -v brew >/dev/null; then
    brew install icarus-verilog ccache tcl-tk
else
    echo "Please install Icarus Verilog (iverilog), ccache, tclsh and clang, then run this again." >&2
    exit 1
fi
