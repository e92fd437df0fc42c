#!/bin/bash
# Builds the Dockerfile without a Docker engine and proves the worker's image from inside:
#
#   sudo infra/image/build-without-docker.sh [--base FILE] [--oci FOLDER]
#
# Needs root, Debian's packages buildah, crun and mmdebstrap, an installed clone (npm ci), npm, and the network: Debian's packages
# and npm's. The base images come from no registry: Debian's is made of Debian's packages, and Node's is that one with the
# clone's node in it.
#
#   --base FILE    keep the base's root file system in this .tar, and take it from there the next time (it takes 90 s to make)
#   --oci FOLDER   leave the worker's image there, as an OCI layout, for skopeo or podman
#
# Everything else is made in a temporary folder and removed at the end.
set -euo pipefail

base= oci=
while [ $# -gt 0 ]; do
  case $1 in
    --base) base=$(realpath "$2"); shift 2 ;;
    --oci) oci=$(realpath "$2"); shift 2 ;;
    *) sed -n '2,/^set /{/^#/p}' "$0" >&2; exit 64 ;;
  esac
done

cd "$(dirname "$0")/../.."
for tool in buildah crun mmdebstrap npm; do
  command -v "$tool" >/dev/null || { echo "Not found: $tool (apt-get install buildah crun mmdebstrap)" >&2; exit 69; }
done
node=node_modules/node/bin/node
[ -x $node ] || { echo 'Not found: the node of the clone. Run npm ci.' >&2; exit 69; }

work=$(mktemp -d)
store() { buildah --root "$work/storage" --runroot "$work/run" --storage-driver overlay "$@"; }
finish() {
  status=$?
  store umount --all >/dev/null 2>&1 || true
  store rm --all >/dev/null 2>&1 || true
  [ $status = 0 ] || tail -n 40 "$work/log" >&2
  rm -rf "$work"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM
said() { printf '%4d s  %s\n' "$SECONDS" "$*"; }

# What Debian's slim images leave out is left out here too, so that sizes can be compared.
base=${base:-$work/base.tar}
if [ ! -s "$base" ]; then
  said 'making the base from packages'
  mmdebstrap --variant=minbase --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --include=usr-is-merged \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    bookworm "$base" >>"$work/log" 2>&1
fi

said 'making the stand-ins of the base images'
{
  container=$(store from scratch)
  store add "$container" "$base" /
  store commit --quiet --format docker "$container" localhost/base-stand-in

  root=$(store mount "$container")
  install -D $node "$root/usr/local/bin/node"
  mkdir -p "$root/usr/local/lib/node_modules" "$root/usr/local/etc"
  cp -r "$(npm root --global)/npm" "$root/usr/local/lib/node_modules/"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  # npm may reach its registry through a proxy whose certificate only this machine knows. Of this image the worker gets node alone.
  if [ -r /etc/ssl/certs/ca-certificates.crt ]; then
    install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$root/usr/local/etc/ca.crt"
    echo 'cafile=/usr/local/etc/ca.crt' >"$root/usr/local/etc/npmrc"
  fi
  store umount "$container"
  store commit --quiet --rm --format docker "$container" localhost/node-stand-in
} >>"$work/log" 2>&1

# Docker's own format: OCI's has no HEALTHCHECK. Chroot isolation needs no rights beyond root's, so it also runs in a container.
for target in consumer worker; do
  said "building the $target"
  store build --isolation chroot --format docker --pull-never --layers --target $target --tag localhost/millrace-$target \
    --build-arg BASE_IMAGE=localhost/base-stand-in --build-arg NODE_IMAGE=localhost/node-stand-in . >>"$work/log" 2>&1
done

layers() { store push --quiet localhost/millrace-"$1" "oci:$work/$1" >>"$work/log" 2>&1 && node infra/image/layer-sizes.ts "$work/$1"; }
for target in consumer worker; do
  said "the ${target}'s layers, compressed"
  PATH=$PWD/node_modules/node/bin:$PATH layers $target
done
[ -z "$oci" ] || cp -r "$work/worker" "$oci"

said 'proving the worker'
container=$(store from --pull-never localhost/millrace-worker)
store run --isolation chroot --volume "$PWD/infra/image:/proof:ro" "$container" -- node /proof/prove.ts
said 'proving the consumer'
container=$(store from --pull-never localhost/millrace-consumer)
store run --isolation chroot "$container" -- millrace consume --help >/dev/null
said 'done'
