#!/bin/sh
# in-root.sh ROOT FOLDER… -- PROGRAM ARGUMENT…
# Runs a program with ROOT as root folder, where these folders of the system are, too. The system stays as it is.
set -e
root=$1
if [ -z "$HAS_NAMESPACE" ]; then
  export HAS_NAMESPACE=1
  exec unshare --map-root-user --mount "$0" "$@"
fi
shift
while [ "$1" != -- ]; do
  mkdir -p "$root$1"
  mount --rbind "$1" "$root$1"
  shift
done
shift
exec unshare --root="$root" --wd="$PWD" "$@"
