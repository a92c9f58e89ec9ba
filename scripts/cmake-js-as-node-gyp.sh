#!/bin/sh
# prebuildify calls "node-gyp rebuild …" for its binary; this builds it with cmake-js instead.
exec node "$(dirname "$0")/build-native.mjs"
