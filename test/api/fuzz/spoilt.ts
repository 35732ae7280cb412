import fc from 'fast-check';
import { CANARY } from '../support.ts';

/** Looks like a token of the API, and is none. */
export const TOKEN_CANARY = 'meterline_CANARYcanaryCANARYcanaryCANARY_x';

const words = (text: string): string[] => text.trim().split(/\s+/);

const NUMBERS = [
  ...words('0 -0 -1 1.5 1e3 1e309 0x10 ٣ ９ NaN Infinity -Infinity 501 10001 999999 1000000 2147483648'),
  ...words('9007199254740993 9223372036854775808'),
  '1'.repeat(400),
];
const DATES = [
  ...words('2026-02-30 2025-02-29 0000-00-00 0000-01-01 0001-01-01 1999-12-31 2200-01-01 9999-12-31 -000001-01-01'),
  ...words('+275760-09-13 2026-1-1 2026-07-31T00:00:00Z ２０２６-07-31 today infinity -infinity 2026-W31 20260731'),
  '2026-07-31\n',
];
const NAMES = words(
  '__proto__ constructor prototype toString hasOwnProperty __proto__[x] constructor.prototype toJSON',
);
const CODE = [
  ...words(
    '$1 % %00 %c0%80 %zz ${7*7} {{7*7}} \\ \\x00 <script>x</script> ..%2f..%2f //evil.example/ file:///etc/passwd',
  ),
  ...["' or 1=1 --", '"; drop table connections; --', '../../etc/passwd', '{id}', ':id', '*', '[object Object]'],
];
const GROUPS = words('day, ,day day,day day,nothing DAY currency,day,month,connection description');
const IDS = words('00000000-0000-0000-0000-000000000000 ffffffff-ffff-ffff-ffff-ffffffffffff');
const UNICODE = [
  ...words('\ud800 \udfff \u202e é é 👩‍👩‍👧 𝕏 İ ß'),
  ...[
    '',
    ' ',
    '\t',
    '\u007f',
    '\u0085',
    '\u00a0',
    '\u2028',
    '\ufeff',
    'ﷺ'.repeat(50),
    'x'.repeat(101),
    'x'.repeat(5_000),
  ],
];
const CONTROLS = ['\0', 'a\0', '\0\0', '\r\nx-injected: yes', '\n{"level":60}'];
const SECRETS = [
  ...[CANARY, TOKEN_CANARY, `Bearer ${TOKEN_CANARY}`, `${CANARY}\0`, CANARY.replace('admin', 'api'), CANARY.repeat(5)],
];

/** Text that somebody might trip over, whatever it is taken for. */
export const spoiltText = fc.oneof(
  {
    arbitrary: fc.constantFrom(...CODE, ...NAMES, ...GROUPS, ...IDS, ...words('null undefined true [] {}')),
    weight: 2,
  },
  { arbitrary: fc.constantFrom(...UNICODE), weight: 2 },
  { arbitrary: fc.constantFrom(...CONTROLS), weight: 1 },
  { arbitrary: fc.constantFrom(...NUMBERS, ...DATES), weight: 1 },
  { arbitrary: fc.constantFrom(...SECRETS), weight: 2 },
  { arbitrary: fc.string({ unit: 'binary', maxLength: 40 }), weight: 1 },
  { arbitrary: fc.string({ unit: 'grapheme', maxLength: 40 }), weight: 1 },
);

/** Text that is no number, and text that is one and no good one. */
export const spoiltNumber = fc.oneof(fc.constantFrom(...NUMBERS), fc.constantFrom(...NUMBERS), spoiltText);

/** Text that is no day, and text that is one and no good one. */
export const spoiltDay = fc.oneof(fc.constantFrom(...DATES), fc.constantFrom(...DATES), spoiltText);

/** Names of fields: those that are read somewhere, and those that mean something to JavaScript. */
export const FIELDS = ['name', 'admin_api_key', 'backfill_days', 'from', 'to', ...NAMES, '', CANARY];

/** JSON of any kind. */
export const spoiltJson = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, 0, -0, -1, 1.5, 1e21, 366, 2 ** 53, Number.MAX_VALUE, [], {}, [[]], ''),
  spoiltText,
  fc.array(spoiltText, { maxLength: 3 }),
  fc.dictionary(fc.constantFrom(...FIELDS), spoiltText, { maxKeys: 3, noNullPrototype: true }),
);

/** Values that JSON holds and a column of Postgres does not: text with U+0000, and numbers of more bits. */
export const unstorable = fc.constantFrom<unknown>('\0', 'a\0', 2 ** 31, -(2 ** 31) - 1, 2 ** 53 - 1, 1.5, '\ud800');

/** Bodies that are no JSON, no object, or more than anybody needs. */
export const BODIES = [
  ...[
    '',
    ' ',
    '{',
    '}',
    '[',
    '"',
    'null',
    '7',
    '[]',
    '""',
    '{"a":}',
    "{'a':1}",
    '{"a":1}{"a":1}',
    '\ufeff{}',
    '\0',
    '{}\0',
  ],
  ...['{"__proto__":{"name":"x"}}', `{"name":"${CANARY}`, CANARY, `{"${TOKEN_CANARY}":1,"${CANARY}":`, 'name=x&y=z'],
  ...[`{"name":${'['.repeat(7_000)}${']'.repeat(7_000)}}`, `${'{"a":'.repeat(2_500)}1${'}'.repeat(2_500)}`],
  ...[
    `{"name":"${'x'.repeat(17_000)}"}`,
    '{"name":"\\ud800"}',
    '{"name":"\\u0000"}',
    '{"backfill_days":1e999}',
    '{"a":-}',
  ],
  ...[`{${'"a":1,'.repeat(2_000)}"a":1}`, '{"name":"x","name":"y"}', '{"admin_api_key":"\\u0073k-ant-admin01-CANARY"}'],
];
