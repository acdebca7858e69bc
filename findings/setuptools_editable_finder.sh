#!/usr/bin/env bash
# An editable installation by setuptools, of a project in the usual layout (the package in a folder
# of its name beside pyproject.toml):
#
# 1. In the folder above a clone that has the package's name, `import` finds the clone's folder as
#    an empty namespace package: setuptools installs a finder at the end of sys.meta_path, behind
#    the one that reads sys.path, and the folder is taken first. No error, a module without content.
# 2. In another copy of the project, whose package comes first on sys.path, a submodule that this
#    copy lacks is taken from the installed clone, in silence: one package out of two trees.
#
# With package-dir = {"" = "."}, which says no more than the default, setuptools writes a .pth file
# with the clone's folder, and neither happens.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
. venv/bin/activate
pip install --quiet setuptools==84.2.1

make() { # a project in folder $1; what $2 adds to its pyproject.toml
    mkdir -p "$1/widget"
    printf '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n' >"$1/pyproject.toml"
    printf '[project]\nname = "widget"\nversion = "1"\n' >>"$1/pyproject.toml"
    printf '[tool.setuptools.packages.find]\ninclude = ["widget*"]\n%s\n' "$2" >>"$1/pyproject.toml"
    echo 'size = 3' >"$1/widget/__init__.py"
    echo 'here = __file__' >"$1/widget/part.py"
}

above='import widget; print(getattr(widget, "size", "nothing"), widget.__file__)'
mixed='import widget, widget.part; print(widget.__file__, widget.part.here)'

look() { # $1 is the clone, $2 another copy of it without the submodule
    pip install --quiet --no-build-isolation --editable "$1"
    one=$(cd "$(dirname "$1")" && python -c "$above")
    two=$(cd "$2" && python -c "$mixed" 2>&1 | tail -n 1) || true
}

python --version
pip list 2>/dev/null | grep -E '^(pip|setuptools) '

make clones/widget ''
make copy ''
rm copy/widget/part.py
look "$work/clones/widget" "$work/copy"
echo "above the clone: $one"
echo "in the other copy: $two"
[ "$one" = "nothing None" ]
[ "$two" = "$work/copy/widget/__init__.py $work/clones/widget/widget/part.py" ]

make paths/widget $'[tool.setuptools]\npackage-dir = {"" = "."}'
look "$work/paths/widget" "$work/copy"
echo "above the clone, with package-dir: $one"
echo "in the other copy, with package-dir: $two"
[ "$one" = "3 $work/paths/widget/widget/__init__.py" ]
[ "$two" = "ModuleNotFoundError: No module named 'widget.part'" ]
