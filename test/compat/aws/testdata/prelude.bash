# What the scripts beside this file share. The test sets $run to a word of its
# own for this run, and ENDPOINT_FLAG for clients that know no AWS_ENDPOINT_URL.
set -Eeuo pipefail
trap 'printf "line %s failed: %s\n" "$LINENO" "$BASH_COMMAND" >&2' ERR

aws() {
	# The flag is empty or one word.
	command aws ${ENDPOINT_FLAG:+--endpoint-url "$ENDPOINT_FLAG"} "$@"
}

# equals WANT GOT
equals() {
	if [[ $1 != "$2" ]]; then
		printf 'line %s: want %q, got %q\n' "${BASH_LINENO[0]}" "$1" "$2" >&2
		exit 1
	fi
}

# contains PART WHOLE
contains() {
	if [[ $2 != *"$1"* ]]; then
		printf 'line %s: %q is not in %q\n' "${BASH_LINENO[0]}" "$1" "$2" >&2
		exit 1
	fi
}

# fails TEXT COMMAND…: the command must fail and say the text.
fails() {
	local text=$1 said
	shift
	if said=$(trap - ERR; "$@" 2>&1); then
		printf 'line %s: succeeded, want %q: %s\n' "${BASH_LINENO[0]}" "$text" "$*" >&2
		exit 1
	fi
	if [[ $said != *"$text"* ]]; then
		printf 'line %s: want %q, got %q\n' "${BASH_LINENO[0]}" "$text" "$said" >&2
		exit 1
	fi
}

made=()
# cleanup KEY: at the end of the script, its deletion is scheduled.
cleanup() { made+=("$1"); }
finish() {
	local key
	for key in "${made[@]}"; do
		aws kms schedule-key-deletion --key-id "$key" --pending-window-in-days 7 >/dev/null 2>&1 || true
	done
}
trap finish EXIT
