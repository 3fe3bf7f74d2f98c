# To be sourced: how long the steps of a run take.

# step NAME COMMAND...: runs it with its output shown, and tells how long it took.
step() {
  local name=$1 start=$SECONDS code=0
  shift
  printf '\n==> %s\n' "$name"
  "$@" || code=$?
  printf '==> %s: %d s%s\n' "$name" $((SECONDS - start)) "$([[ $code == 0 ]] || printf ' (failed with code %d)' "$code")"
  return $code
}
