#!/bin/sh
# verify.sh SYSTEMD-ANALYZE UNIT...: do the generated units pass the check?
#
# The executable may not be installed yet: it is replaced by one that is
# there.  Units are in directories called "system" and "user".
set -eu

analyze=$1
shift
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/system" "$dir/user"
n=0
for unit in "$@"; do
	to=$dir/$(basename "$(dirname "$unit")")/$(basename "$unit")
	sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' "$unit" > "$to"
	n=$((n + 1))
done
[ "$n" -gt 0 ] || { echo "no unit was given" >&2; exit 1; }

check() { # MODE: complaints about our units are errors, others are not ours
	out=$("$analyze" "--$1" --man=no verify "$dir/$1"/* 2>&1) || true
	if printf '%s\n' "$out" | grep -F pagerd; then
		return 1
	fi
}
check system
if [ -n "${XDG_RUNTIME_DIR:-}" ]; then
	check user
else
	XDG_RUNTIME_DIR=$dir check user
fi
# The check itself must be able to fail.
echo "NoSuchSetting=1" >> "$dir/system/pagerd.socket"
if check system > /dev/null; then
	echo "systemd-analyze finds nothing wrong in a broken unit" >&2
	exit 1
fi
