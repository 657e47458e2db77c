#!/bin/sh
# The agent runs without libc and without a thread pointer of its own: its
# objects refer to nothing but each other, never use the thread pointer (which
# is that of another thread), and keep no writable data, which could be on a
# page that the agent itself would have to bring back.
#
#	check-agent.sh ARCHIVE
set -eu
archive=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
status=0

nm -P "$archive" | awk '$2 == "U" { print $1 }' | sort -u >"$tmp/wanted"
nm -P "$archive" | awk '$2 == "T" || $2 == "R" { print $1 }' | sort -u \
	>"$tmp/defined"
grep -qx agent_main "$tmp/defined" || {
	echo "# $archive: no agent_main: nothing was checked"
	exit 1
}
comm -23 "$tmp/wanted" "$tmp/defined" >"$tmp/missing"
if [ -s "$tmp/missing" ]; then
	echo "# the agent calls or refers to:"
	sed 's/^/# /' "$tmp/missing"
	status=1
fi

objdump -d "$archive" >"$tmp/code"
grep -Eq 'syscall|svc' "$tmp/code" || {
	echo "# $archive: no system call found: nothing was checked"
	exit 1
}
if grep -E '%[fg]s:|tpidr_el0' "$tmp/code"; then
	echo "# the agent uses the thread pointer"
	status=1
fi

nm -P "$archive" | awk '$2 ~ /^[DdBbCVv]$/' >"$tmp/data"
if [ -s "$tmp/data" ]; then
	echo "# the agent has writable data:"
	sed 's/^/# /' "$tmp/data"
	status=1
fi
exit $status
