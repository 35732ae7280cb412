#!/bin/sh
# Secrets are mounted as files, but the programs read variables: sets NAME from the file that NAME_FILE names.
set -eu

for name in DATABASE_URL METERLINE_ENCRYPTION_KEYS METERLINE_API_TOKEN METERLINE_SMTP_URL METERLINE_HEARTBEAT_URL TEMPORAL_API_KEY; do
  eval "file=\${${name}_FILE:-}"
  [ -n "$file" ] || continue
  if [ ! -r "$file" ]; then
    echo "${name}_FILE names $file, which cannot be read." >&2
    exit 2
  fi
  value=$(cat "$file")
  export "$name=$value"
  unset "${name}_FILE"
done

exec "$@"
