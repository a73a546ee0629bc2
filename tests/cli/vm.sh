#!/bin/bash
# SPDX-License-Identifier: MIT
# Running VMs: started in the background, listed, paused, reset, attached to, stopped.
. "$LICHEN_SOURCE/tests/cli/lib.sh"
need jq
need_kvm
export LICHEN_RUNTIME_DIR=$scratch/run
machine=$LICHEN_SOURCE/tests/e2e/pebble.yaml
trap 'for vm in $("$lichen" ps --json | jq -r ".[].name"); do "$lichen" stop "$vm" --stop-timeout 0; done
	rm -rf "$scratch"' EXIT

start() { # NAME GUEST WORD...
	start_name=$1 start_guest=$2
	shift 2
	status 0 "$lichen" run "$machine" --name "$start_name" --detach \
		--set boot.image="$guests/$start_guest.bin" "$@"
}
state_of() { "$lichen" ps --json | jq -r --arg name "$1" '.[] | select(.name == $name).state'; }
state_is() { [ "$(state_of "$1")" = "$2" ] || { echo "state: $(state_of "$1")"; return 1; }; }
empty() { [ -z "$(ls -A "$LICHEN_RUNTIME_DIR")" ] || { ls -A "$LICHEN_RUNTIME_DIR"; return 1; }; }
# hears NAME TEXT PATTERN: types the text, and waits for the pattern.  In the foreground, timeout
# signals the command alone: LeakSanitizer's helper at its end would die, and it wait for ever.
hears() {
	for _ in 1 2 3 4 5; do
		printf '%s' "$2" | timeout --foreground 1 "$lichen" console "$1" >"$scratch/out" 2>"$scratch/err"
		cat "$scratch/out" "$scratch/err"
		grep -q -- "$3" "$scratch/out" && return
	done
	return 1
}

none() { status 0 "$lichen" ps --json && jq -e '. == []' "$scratch/out"; }
check "ps without a runtime folder lists none" none
check "a VM starts in the background" start one echo
check "and is running" state_is one running
check "ps shows it to people" sh -c '"$0" ps | grep -E "^one +running +[0-9]+ +1 +64M"' "$lichen"
clash() { status 2 "$lichen" run "$machine" --name one --set boot.image="$guests/echo.bin" "$@" && said 'name: one: a VM of this name runs'; }
check "its name is taken" clash --detach
check "in the foreground too" clash
check "console: what it said before" hears one '' 'pebble: echo'
check "console: it answers" hears one 'abc' 'abc'
taken() {
	timeout --foreground 5 "$lichen" console one <&- >"$scratch/first" 2>&1 &
	sleep 0.5
	refused 1 'another client has it' console one || return 1
	timeout --foreground 1 "$lichen" console one --force <&- >"$scratch/out" 2>&1
	wait $!
	cat "$scratch/first"
	grep -q 'another client took the console' "$scratch/first"
}
check "console: one client, but by force" taken
paused() { status 0 "$lichen" pause one --json && jq -e '.state == "paused"' "$scratch/out" && state_is one paused; }
check "pause" paused
check "pause again changes nothing" paused
deaf() { ! hears one 'xyz' 'xyz'; }
check "it does nothing meanwhile" deaf
check "resume" status 0 "$lichen" resume one
check "and does what it was asked to" hears one '' 'xyz'
check "reset" status 0 "$lichen" reset one --json
twice() { hears one '' 'pebble: echo' && [ "$(grep -c 'pebble: echo' "$scratch/out")" = 2 ]; }
check "the guest starts again" twice
check "reset --warm" status 0 "$lichen" reset one --warm

check "a VM that does not run, nearly named" refused 2 'onn: no VM of this name runs, did you mean "one"' pause onn
check "one like nothing" refused 2 'elsewhere: no VM of this name runs' stop elsewhere
check "a name with a slash" refused 2 'no VM of this name' console ../one
check "a stop timeout that is none" refused 2 'not a time' stop one --stop-timeout x
check "an escape key that is none" refused 2 'neither none nor ctrl-' console one --escape x
stopped() { status 0 "$lichen" stop one --stop-timeout 0 --json && jq -e '.state == "stopping"' "$scratch/out" && empty; }
check "stop ends it and leaves nothing" stopped

button() { start two button && status 0 "$lichen" stop two && empty; }
check "stop presses the button" button
held() { start two button && status 0 "$lichen" pause two && status 0 "$lichen" stop two && empty; }
check "of a paused VM too" held
stubborn() {
	start three echo || return 1
	from=$(date +%s%N)
	status 0 "$lichen" stop three --stop-timeout 700ms || return 1
	[ $(($(date +%s%N) - from)) -ge 700000000 ] && empty
}
check "a guest that does not listen is ended in time" stubborn

fails() { # STATUS PATTERN WORD...
	fails_status=$1 fails_pattern=$2
	shift 2
	status "$fails_status" "$lichen" run "$machine" --name four --detach "$@" &&
		said "$fails_pattern" && [ ! -s "$scratch/out" ] && empty
}
check "a failed start says why, and leaves nothing" fails 2 'image .*not found' --set boot.image=/none
check "a profile that is wrong" fails 2 'unknown key' --set cpsu=2
quick() { start five hello && sleep 0.5 && empty; }
check "a guest that ends at once has run" quick
logged() {
	start six echo --log "$scratch/log" --set on_crash=pause && status 0 "$lichen" reset six &&
		status 0 "$lichen" stop six --stop-timeout 100ms && grep -q 'did not power itself off' "$scratch/log"
}
check "what a detached VM says goes to its log" logged
pipe_closes() { # nobody waits for the VM's copy of the caller's output
	timeout 5 sh -c 'x=$("$0" run "$1" --name seven --detach --set boot.image="$2" 2>&1); echo "<$x>"' \
		"$lichen" "$machine" "$guests/echo.bin" && status 0 "$lichen" stop seven --stop-timeout 0
}
check "the caller's output is let go" pipe_closes
killed() {
	start eight echo && kill -9 "$("$lichen" ps --json | jq '.[0].pid')" && sleep 0.3
	[ -e "$LICHEN_RUNTIME_DIR/eight.sock" ] && status 0 "$lichen" ps && [ "$(wc -l <"$scratch/out")" = 1 ] &&
		refused 2 'no VM of this name' stop eight && start eight echo &&
		status 0 "$lichen" stop eight --stop-timeout 0 && empty
}
check "what a killed VM leaves is cleared by the next" killed
deep() {
	export LICHEN_RUNTIME_DIR=$scratch/$(printf 'long%.0s' $(seq 30))/run
	start nine echo && state_is nine running && status 0 "$lichen" stop nine --stop-timeout 0 && empty
	deep_status=$?
	export LICHEN_RUNTIME_DIR=$scratch/run
	return $deep_status
}
check "a folder whose path is longer than an address" deep
foreign() {
	mkdir -p "$scratch/open" && chmod 777 "$scratch/open"
	LICHEN_RUNTIME_DIR=$scratch/open status 2 "$lichen" run "$machine" --detach && said 'others may write there'
}
check "a folder that others may write to" foreign
nowhere() {
	LICHEN_RUNTIME_DIR=/proc/none status 1 "$lichen" run "$machine" --set boot.image="$guests/hello.bin" &&
		said 'cannot be talked to' && printed 'pebble: hello'
}
check "without a folder a VM runs in the foreground all the same" nowhere
schema() {
	status 0 "$lichen" schema control && jq -e '.methods.pause.params.additionalProperties == false and
		(.events | has("state") and has("removed") and has("panic")) and (.methods | keys | index("console.attach"))' "$scratch/out"
}
check "the schema is printed" schema
finish
