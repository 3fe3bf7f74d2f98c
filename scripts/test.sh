#!/usr/bin/env bash
# All tests; the last line is their count. With arguments: those that vitest finds by them (`--project unit`, a file).
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/step.sh
(($# == 0)) || exec npx vitest run "$@"

results=$(mktemp -d)
trap clean_up EXIT
vm=

clean_up() {
  # Its processes are a group of their own, which Ctrl-C does not reach.
  [[ -z $vm ]] || kill -- -"$vm" 2>/dev/null
  rm -rf "$results"
}

# tests NAME PROJECT...: runs these projects, and keeps what came of it for the count.
tests() {
  local name=$1
  shift
  npx vitest run "${@/#/--project=}" --reporter=default --reporter=json --outputFile.json="$results/$name.json"
}

# In the virtual machine one processor is emulated, and here one is free while real processes are waited for.
tests_beside_machine() {
  local code=0 vm_code=0
  set -m
  tests vm vm >"$results/vm.log" 2>&1 &
  vm=$!
  set +m
  tests real kernel machine e2e || code=$?
  wait "$vm" || vm_code=$?
  vm=
  cat "$results/vm.log"
  return $((code ? code : vm_code))
}

count() {
  node -e '
    const { existsSync, readFileSync } = require("node:fs");
    const total = [0, 0, 0];
    for (const run of process.argv.slice(1)) {
      // What ended before it could say what it had found has failed.
      if (!existsSync(run)) {
        total[1] += 1;
        continue;
      }
      const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(readFileSync(run, "utf8"));
      // A file that cannot even be loaded has no tests that could fail.
      const broken = testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0).length;
      [numPassedTests, numFailedTests + broken, numPendingTests + numTodoTests].forEach((count, i) => (total[i] += count));
    }
    const [passed, failed, skipped] = total;
    console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  ' "$@"
}

# Fetches, if need be, what the virtual machine takes; its tests tell what comes of that, and wait for it.
./test/vm/prepare.sh >/dev/null 2>&1 &
code=0
step 'unit tests' tests unit unit cli || code=$?
step 'tests of real kernels, daemons and swarms' tests_beside_machine || code=$?
count "$results"/{unit,real,vm}.json
exit $code
