import fc from 'fast-check';
import { ADMIN_TOKEN, CANARY } from '../support.ts';
import { TOKEN_CANARY } from './spoilt.ts';

const BODY = JSON.stringify({ name: 'x', admin_api_key: CANARY, backfill_days: 7 });

/** Ways to say how long a body is, most of them wrong. */
const LENGTHS = [
  ...[
    [],
    ['Content-Length: 0'],
    ['Content-Length: 1'],
    ['Content-Length: 999'],
    ['Content-Length: 99999999999999999999'],
  ],
  ...[
    ['Content-Length: -1'],
    ['Content-Length: 1e3'],
    ['Content-Length: 0x10'],
    ['Content-Length: '],
    ['Content-Length: +5'],
  ],
  ...[['Content-Length: 5', 'Content-Length: 5'], ['Content-Length: 5', 'Content-Length: 6'], ['Content-Length: 5, 5']],
  ...[['Content-Length : 5'], [' Content-Length: 5'], ['Content-Length: 5\0'], [`Content-Length: ${CANARY}`]],
  ...[
    ['Transfer-Encoding: chunked'],
    ['Transfer-Encoding: chunked', 'Content-Length: 5'],
    ['Transfer-Encoding: identity'],
  ],
  ...[['Transfer-Encoding: gzip, chunked'], ['Transfer-Encoding: chunked, gzip'], ['Transfer-Encoding: xchunked']],
  ...[
    ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'],
    ['Transfer-Encoding:\tchunked'],
    ['Transfer-Encoding: \x0bchunked'],
  ],
];

const size = BODY.length.toString(16);
const BODIES = [
  ...[
    '',
    BODY,
    BODY.slice(0, 20),
    '0\r\n\r\n',
    `${size}\r\n${BODY}\r\n0\r\n\r\n`,
    `${size}\r\n${BODY}`,
    `${size};x="${CANARY}"\r\n${BODY}\r\n0\r\n\r\n`,
  ],
  ...[
    `${size}\r\n${BODY}\r\n0\r\nX-Trailer: ${TOKEN_CANARY}\r\n\r\n`,
    `fffffffffffffffff\r\n${BODY}`,
    `-1\r\n${BODY}`,
    `zz\r\n${BODY}\r\n`,
  ],
  ...[
    `${'1\r\nx\r\n'.repeat(3_000)}0\r\n\r\n`,
    `4001\r\n${'x'.repeat(0x4001)}\r\n0\r\n\r\n`,
    `0\r\n\r\nGET /${TOKEN_CANARY} HTTP/1.1\r\n\r\n`,
  ],
];

const FIRST_LINES = [
  ...[
    'POST /v1/connections HTTP/1.1',
    'POST /v1/connections HTTP/1.0',
    'POST /v1/connections HTTP/0.9',
    'POST /v1/connections',
  ],
  ...[
    'POST /v1/connections HTTP/2.0',
    'POST /v1/connections HTTP/1.1 x',
    'post /v1/connections HTTP/1.1',
    `${CANARY} / HTTP/1.1`,
  ],
  ...[
    'GET /v1/costs HTTP/1.1',
    'DELETE /v1/connections/x HTTP/1.1',
    'CONNECT evil.example:443 HTTP/1.1',
    'CONNECT / HTTP/1.1',
  ],
  ...[
    'OPTIONS * HTTP/1.1',
    'TRACE /v1/connections HTTP/1.1',
    'PRI * HTTP/2.0',
    'GET  /v1/costs HTTP/1.1',
    '\r\n\r\nGET /healthz HTTP/1.1',
  ],
  ...[
    'GET http://[::1 HTTP/1.1',
    'GET http:///v1 HTTP/1.1',
    'GET http://evil.example:x/v1 HTTP/1.1',
    'GET //[::1/v1 HTTP/1.1',
    'GET \\..\\v1 HTTP/1.1',
    'GET ?x HTTP/1.1',
    `GET /v1/${'x'.repeat(9_000)} HTTP/1.1`,
  ],
  ...[
    `\x16\x03\x01\x02${CANARY}`,
    '\0\0\0\0',
    '',
    'GET /v1/costs\0 HTTP/1.1',
    'GET /v1/connections?x=\u00ff\ud800 HTTP/1.1',
  ],
];

const HEADS = [
  ...[
    ['Host: x'],
    [],
    ['Host: x', 'Host: y'],
    ['Host: '],
    ['Host: x', `X-Long: ${'x'.repeat(9_000)}`],
    ['Host: x', 'NoColon'],
  ],
  ...[
    ['Host: x', `: ${CANARY}`],
    ['Host: x', `X-${CANARY}: 1`],
    ['Host: x', 'X Y: 1'],
    ['Host: x', `X: a\rb${CANARY}`],
    ['Host: x', ' folded'],
  ],
  ...[
    ['Host: x', `X: ${TOKEN_CANARY}\0`],
    ['Host: x', ...Array.from({ length: 300 }, (_, index) => `X-${index}: y`)],
  ],
  ...[
    ['Host: x', 'Expect: 100-continue'],
    ['Host: x', `Expect: ${CANARY}`],
    ['Host: x', 'Connection: upgrade', 'Upgrade: websocket'],
  ],
];

const TOKENS = [
  ...[
    [`Authorization: Bearer ${ADMIN_TOKEN}`],
    [],
    [`Authorization: Bearer ${TOKEN_CANARY}`],
    ['Authorization: Bearer \x01\x02'],
  ],
  ...[
    [`Authorization: Bearer ${ADMIN_TOKEN}`, `Authorization: Bearer ${TOKEN_CANARY}`],
    [`authorization:Bearer ${ADMIN_TOKEN}`],
  ],
];

/** Bytes that are nearly a request of HTTP: the places are right, and what stands in them often is not. */
export const frames: fc.Arbitrary<Buffer> = fc
  .record({
    first: fc.oneof(
      { arbitrary: fc.constantFrom(...FIRST_LINES), weight: 1 },
      { arbitrary: fc.constant(FIRST_LINES[0] ?? ''), weight: 2 },
    ),
    head: fc.oneof(
      { arbitrary: fc.constantFrom(...HEADS), weight: 1 },
      { arbitrary: fc.constant(['Host: x']), weight: 2 },
    ),
    token: fc.oneof(
      { arbitrary: fc.constantFrom(...TOKENS), weight: 1 },
      { arbitrary: fc.constant(TOKENS[0] ?? []), weight: 2 },
    ),
    length: fc.constantFrom(...LENGTHS),
    body: fc.constantFrom(...BODIES),
    newline: fc.oneof(
      { arbitrary: fc.constant('\r\n'), weight: 12 },
      { arbitrary: fc.constantFrom('\n', '\r', '\n\r'), weight: 1 },
    ),
  })
  .map(({ first, head, token, length, body, newline }) => {
    const lines = [first, ...head, ...token, 'Content-Type: application/json', ...length, '', ''];
    return Buffer.from(lines.join(newline) + body, 'latin1');
  });
