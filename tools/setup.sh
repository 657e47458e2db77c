# setup.sh: install the Debian packages that are missing; sourced, not run
# shellcheck shell=sh

# Names in the list, without comments.
setup_packages() {
	sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$1"
}

# Those of them that are not installed.
setup_missing() {
	setup_packages "$1" | while read -r package; do
		# shellcheck disable=SC2016 # dpkg-query's own variable
		status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)
		[ "$status" = "install ok installed" ] || echo "$package"
	done
}

# setup LIST: => everything in the list is installed, or the caller ends
setup() {
	if ! command -v dpkg-query >/dev/null; then
		echo "This is no Debian system: install what $1 lists." >&2
		exit 1
	fi
	missing=$(setup_missing "$1" | tr '\n' ' ')
	[ -n "$missing" ] || return 0
	line="apt-get install -y --no-install-recommends $missing"
	if [ "$(id -u)" -ne 0 ]; then
		echo "Packages are missing.  As root, run:" >&2
		echo "  $line" >&2
		exit 1
	fi
	echo "Installing: $missing"
	export DEBIAN_FRONTEND=noninteractive
	log=$(mktemp) || exit 1
	if ! { apt-get update -q && $line; } >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		echo "apt-get failed; the whole log: $log" >&2
		exit 1
	fi
	rm -f "$log"
	left=$(setup_missing "$1" | tr '\n' ' ')
	if [ -n "$left" ]; then
		echo "Not installed: $left" >&2
		exit 1
	fi
}
