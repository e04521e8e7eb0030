#!/usr/bin/env bash
# Install a wheel without its optional packages into an empty environment and hold it to what it promises there:
# the command line starts, templates travel inside, and torch is asked for in words when it is missing.
set -euo pipefail
wheel=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q "$wheel"
cd "$folder"
venv/bin/hbnn-hw --version
venv/bin/python - <<'PY'
from hbnn_hw.templating import environment, template_root

names = environment().list_templates()
assert template_root().name == "_templates", template_root()
assert any(name.startswith("hls/") for name in names), names
assert any(name.startswith("report/") for name in names), names
PY
if venv/bin/hbnn-hw export missing.pt -o out 2>error.txt; then
    echo "export without torch must fail" >&2
    exit 1
fi
grep -q "hbnn-hw\[train\]" error.txt
echo "wheel: command line, templates and messages are right"
