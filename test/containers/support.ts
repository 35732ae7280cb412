import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const path = (name: string): string => join(root, name);
export const read = (name: string): string => readFileSync(path(name), 'utf8');

const dependency = z.object({
  condition: z.enum(['service_started', 'service_healthy', 'service_completed_successfully']),
});
const service = z.object({
  image: z.string(),
  build: z.object({ context: z.string(), secrets: z.array(z.string()) }).optional(),
  pull_policy: z.string().optional(),
  entrypoint: z.array(z.string()).default([]),
  user: z.string().optional(),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).default({}),
  secrets: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  ports: z.array(z.string()).default([]),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
  depends_on: z.record(z.string(), dependency).default({}),
  restart: z.string(),
  init: z.boolean().optional(),
  stop_grace_period: z.string().optional(),
  read_only: z.boolean().optional(),
  tmpfs: z.array(z.string()).default([]),
  cap_drop: z.array(z.string()).default([]),
  cap_add: z.array(z.string()).default([]),
  security_opt: z.array(z.string()).default([]),
  privileged: z.boolean().optional(),
});
export const compose = z
  .object({
    services: z.record(z.string(), service),
    secrets: z.record(z.string(), z.object({ file: z.string() })),
    volumes: z.record(z.string(), z.unknown()),
  })
  .parse(parse(read('docker-compose.yml'), { merge: true }));
export const services = Object.entries(compose.services);
export const OURS = ['api', 'migrate', 'worker'];
/** Files of the person's own, which are optional: `/dev/null` where the variable is not set. */
export const OPTIONAL_FILES: Readonly<Record<string, string>> = {
  'smtp-url': '${METERLINE_SMTP_URL_FILE:-/dev/null}',
  'heartbeat-url': '${METERLINE_HEARTBEAT_URL_FILE:-/dev/null}',
  'extra-ca': '${NODE_EXTRA_CA_CERTS:-/dev/null}',
  npmrc: '${METERLINE_BUILD_NPMRC:-/dev/null}',
};

/** A value as compose makes it with these variables, of the forms `${NAME:-else}` and `${NAME:+then}`. */
export function interpolated(value: string, env: Readonly<Record<string, string>> = {}): string {
  const made = value.replace(/\$\{(\w+):([-+])([^${}]*)\}/g, (_all, name: string, kind: string, text: string) => {
    const given = env[name] ?? '';
    return kind === '+' ? (given === '' ? '' : text) : given === '' ? text : given;
  });
  return made === value ? value : interpolated(made, env);
}

/** What a container gets: what Docker's own proxy settings put into it, and over that what the compose file says. */
export function environmentOf(name: string, env: Readonly<Record<string, string>> = {}): Record<string, string> {
  const injected = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((variable) => [
    [variable, "Docker's"],
    [variable.toLowerCase(), "Docker's"],
  ]);
  const own = Object.entries(serviceOf(name).environment).map(([variable, value]) => [
    variable,
    interpolated(value, env),
  ]);
  return Object.fromEntries([...injected, ...own]) as Record<string, string>;
}

export function serviceOf(name: string): z.output<typeof service> {
  const found = compose.services[name];
  if (found === undefined) throw new Error(`there is no service ${name}`);
  return found;
}

/** The variables that the entrypoint reads from files. */
export function filesOfEntrypoint(): string[] {
  return /^for name in (.+); do$/m.exec(read('docker/entrypoint.sh'))?.[1]?.split(' ') ?? [];
}

const temporary: string[] = [];

afterAll(() => {
  for (const directory of temporary) rmSync(directory, { recursive: true });
});

export function temporaryFolder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'meterline-containers-'));
  temporary.push(directory);
  return directory;
}
