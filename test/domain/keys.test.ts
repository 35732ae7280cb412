import { readFileSync, readdirSync } from 'node:fs';
import { format, inspect } from 'node:util';
import { serialize } from 'node:v8';
import { defaultPayloadConverter } from '@temporalio/common';
import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { AdminKey, KEY_PATTERN } from '../../domain/keys.ts';
import { ADMIN_KEY_TEXTS, adminKey } from '../support/admin-key.ts';

const TEXT = 'sk-ant-admin01-SECRETsecretSECRETsecret-wxyz';
const ROOMS =
  'activities anthropic api bench commands config db domain local pages runtime simulator worker workflows'.split(' ');
const SHOWN = '[Admin key …wxyz]';

/** What a log of JSON lines holds after `write`. */
function logged(write: (log: pino.Logger) => void): string {
  const lines: string[] = [];
  write(pino({ level: 'trace' }, { write: (line) => lines.push(line) }));
  return lines.join('');
}

/** A failure that carries a key wherever a failure can carry something. */
function failureWith(key: AdminKey): Error {
  return Object.assign(new Error(`failed with ${String(key)}`, { cause: key }), { key, details: [{ key }] });
}

describe('an Admin key', () => {
  const key = adminKey(TEXT);

  it.each([
    ['as text', () => String(key)],
    // eslint-disable-next-line @typescript-eslint/restrict-template-expressions -- this is what is tested
    ['in a template', () => `${key}`],
    // eslint-disable-next-line @typescript-eslint/restrict-plus-operands -- this is what is tested
    ['added to a text', () => '' + key],
    ['joined', () => [key].join()],
    ['as JSON', () => JSON.stringify({ key })],
    ['inspected', () => inspect({ key }, { depth: null, showHidden: true })],
    ['formatted', () => format('%s %j %o %O', key, key, key, key)],
    [
      'in a log line',
      () =>
        logged((log) => {
          log.info({ key, nested: { keys: [key] } }, 'said of %s', key);
        }),
    ],
    [
      'in a logged failure',
      () =>
        logged((log) => {
          log.error(failureWith(key), 'failed');
        }),
    ],
    ['in an inspected failure', () => inspect(failureWith(key), { depth: null, showHidden: true })],
    [
      'as an argument of a workflow',
      () => Buffer.from(defaultPayloadConverter.toPayload({ key }).data ?? []).toString(),
    ],
  ])('shows only its last four characters %s', (_how, print) => {
    const printed = print();
    expect(printed).toContain(SHOWN);
    expect(printed).not.toMatch(/sk-ant|secret/i);
  });

  it.each([
    ['its own inspection is switched off', () => inspect(key, { customInspect: false, showHidden: true })],
    ['its properties are listed', () => JSON.stringify(Object.entries(Object.assign({}, key)))],
    ['it is cloned', () => inspect(structuredClone(key))],
    ['it is serialized', () => serialize(key).toString('latin1')],
  ])('shows nothing of itself where %s', (_when, print) => {
    expect(print()).not.toMatch(/sk-ant|secret|wxyz/i);
  });

  it('gives its text to the sealing of keys and to the requests to Anthropic, and to nothing else', () => {
    const sources = ROOMS.flatMap((room) =>
      readdirSync(room, { recursive: true, encoding: 'utf8' }).map((path) => `${room}/${path}`),
    ).filter((path) => path.endsWith('.ts'));
    expect(sources.length).toBeGreaterThan(100);
    const revealing = sources.filter((path) => readFileSync(path, 'utf8').includes('.reveal('));
    expect(revealing.sort()).toEqual(['anthropic/transport.ts', 'db/keys/key-ring.ts']);
  });

  it('fits into an HTTP header unchanged', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), ADMIN_KEY_TEXTS, (any, good) => {
        for (const text of [good, good + any]) {
          const parsed = AdminKey.parse(text);
          if (parsed.ok) expect(new Headers({ 'x-api-key': parsed.key.reveal() }).get('x-api-key')).toBe(text);
        }
        expect(AdminKey.parse(good)).toHaveProperty('ok', true);
      }),
    );
  });

  it('is parsed from exactly the texts that the published pattern takes', () => {
    const pattern = new RegExp(KEY_PATTERN, 'u');
    const almost = fc.tuple(fc.constantFrom('sk-ant-admin01-', 'sk-ant-api', ''), fc.string({ maxLength: 260 }));
    fc.assert(
      fc.property(
        fc.oneof(
          almost.map((parts) => parts.join('')),
          ADMIN_KEY_TEXTS,
        ),
        (text) => {
          expect(AdminKey.parse(text).ok).toBe(pattern.test(text));
        },
      ),
    );
  });
});

describe('a text that is not an Admin key', () => {
  it.each(['\n', '\r\nx-other: 1', '\0', '\u2603', ' ', '"'])('because of %j is not quoted by its problem', (odd) => {
    for (const text of [`${TEXT}${odd}`, `${odd}${TEXT}`, `${TEXT}${odd}${TEXT}`]) {
      const parsed = AdminKey.parse(text);
      expect(parsed).toEqual({ ok: false, problem: expect.stringContaining('characters that no key has') as unknown });
      expect(JSON.stringify(parsed)).not.toMatch(/secret/i);
    }
  });

  it.each([
    ['sk-ant-admin01-short', 'too short'],
    [`sk-ant-admin01-${'a'.repeat(242)}`, 'too long'],
    ['sk-ant-api03-abcdefghijklmnopqrstuvwxyz', 'a workspace key'],
    ['sk-ant-api01-abcdefghijklmnopqrstuvwxyz', 'a key of claude.ai for Enterprise'],
  ])('(%.40s) is refused with the reason: it is %s', (text, why) => {
    expect(AdminKey.parse(text)).toMatchObject({ ok: false, problem: expect.stringContaining(why) as unknown });
  });
});
