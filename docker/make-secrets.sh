#!/bin/sh
# Makes the secrets that docker-compose.yml reads. Leaves those that exist unchanged.
set -eu
cd "$(dirname "$0")/.."

# Only the owner may enter the directory. The files are readable for all, because other user ids read them in the
# containers.
mkdir -p secrets
chmod 700 secrets
umask 022

keep() {
  if [ -s "secrets/$1" ]; then
    echo "secrets/$1 exists already"
    cat > /dev/null
  else
    cat > "secrets/$1"
    echo "secrets/$1 is made"
  fi
}

openssl rand -hex 32 | keep postgres-password
printf 'postgres://meterline:%s@postgres:5432/meterline\n' "$(cat secrets/postgres-password)" | keep database-url
printf 'first:%s\n' "$(openssl rand -base64 32)" | keep encryption-keys

# The form of every token: a prefix, 192 random bits, and a checksum by which secret scanners recognize it.
url_safe() { openssl base64 -A | tr '+/' '-_'; }
token="meterline_$(openssl rand 24 | url_safe)"
checksum=$(printf '%s' "$token" | openssl dgst -sha256 -binary | url_safe | cut -c 1-6)
printf '%s%s\n' "$token" "$checksum" | keep api-token
