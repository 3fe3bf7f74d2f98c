#!/usr/bin/env bash
# Installs tsswarm on this machine: programs in /usr/local/lib/tsswarm, links to them in
# /usr/local/bin, and the systemd unit where systemd runs. Run again, it upgrades: the daemon is
# restarted, tasks go on.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly target=/usr/local/lib/tsswarm

./scripts/setup.sh

new=$target.new
rm -rf "$new"
mkdir -p "$new"
cp -a bin dist package.json package-lock.json "$new"
npm install --prefix "$new" --no-save --omit=dev --no-audit --no-fund --silent

old=$target.old
rm -rf "$old"
[[ ! -e $target ]] || mv "$target" "$old"
mv "$new" "$target"
rm -rf "$old"
ln -sfn "$target/bin/tsswarm" /usr/local/bin/tsswarm
ln -sfn "$target/bin/tsswarmd" /usr/local/bin/tsswarmd
echo "installed in $target"

if [[ -d /run/systemd/system ]]; then
  install -m 644 packaging/tsswarmd.service /etc/systemd/system/tsswarmd.service
  systemctl daemon-reload
  systemctl enable tsswarmd
  systemctl restart tsswarmd
  echo 'tsswarmd runs; "tsswarm init" makes a swarm, "tsswarm join" joins one'
else
  echo 'systemd does not run here; "tsswarm init" and "tsswarm join" start the daemon themselves'
fi
