#!/bin/sh
# check-symbols.sh LIBRARY HEADER: the library has the functions of the header,
# and nothing else that others could see
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
nm -D --defined-only "$1" | awk '{ print $3 }' | sort >"$work/has"
sed -n 's/^int \(pagerd_[a-z_]*\)(.*/\1/p; s/^void \(pagerd_[a-z_]*\)(.*/\1/p' \
    "$2" | sort >"$work/wants"
[ "$(wc -l <"$work/wants")" -ge 10 ]
diff "$work/wants" "$work/has"
objdump -p "$1" | grep -q 'SONAME *libpagerd\.so\.0$'
