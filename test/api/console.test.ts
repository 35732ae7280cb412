import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADMIN_TOKEN, startApi, type Api } from './support.ts';

let api: Api;
let page: string;
let files: string[];
beforeAll(async () => {
  api = await startApi();
  page = (await api.get('/', null)).text;
  files = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file = '']) => file);
});
afterAll(() => api.close());

describe('the console', () => {
  test('is at /, needs no token, and is never kept by a cache', async () => {
    const { status, headers, text } = await api.get('/', null);
    expect([status, headers.get('content-type'), headers.get('cache-control')]).toEqual([
      200,
      'text/html; charset=utf-8',
      'no-store',
    ]);
    expect(text).toContain('<title>Meterline</title>');
    expect(text).not.toContain(ADMIN_TOKEN);
  });

  test('loads and asks nothing but this server, and runs no script that is not a file of it', async () => {
    const policy = (await api.get('/', null)).headers.get('content-security-policy') ?? '';
    expect(policy.split(';').sort()).toEqual([
      "base-uri 'none'",
      "connect-src 'self'",
      "default-src 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "img-src 'self'",
      "require-trusted-types-for 'script'",
      "script-src 'self'",
      "style-src 'self'",
      "trusted-types 'none'",
    ]);
    expect(page).not.toMatch(/<script(?![^>]* src="\/)|<style|style="|\son\w+=|https?:/);
  });

  test('consists of files that a browser may keep for ever, since a change renames them', async () => {
    const assets = files.filter((file) => file.startsWith('/assets/'));
    expect(assets.map((file) => file.split('.').at(-1)).sort()).toEqual(['css', 'js']);
    for (const file of assets) {
      const { status, headers } = await api.get(file, null);
      expect([file, status, headers.get('cache-control')]).toEqual([file, 200, 'public, max-age=31536000, immutable']);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
    }
  });

  test('has at most 80 KB of compressed JavaScript', async () => {
    const scripts = files.filter((file) => file.endsWith('.js'));
    expect(scripts).not.toEqual([]);
    const sizes = await Promise.all(scripts.map(async (file) => gzipSync((await api.get(file, null)).text).length));
    expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThan(80 * 1024);
  });

  test('comes compressed for whoever takes that, and plain for others', async () => {
    const [file = ''] = files.filter((each) => each.endsWith('.css'));
    const zipped = await api.raw(file, { headers: { 'accept-encoding': 'gzip' } });
    const plain = await api.raw(file, { headers: { 'accept-encoding': 'identity' } });
    expect([zipped.headers.get('content-encoding'), plain.headers.get('content-encoding')]).toEqual(['gzip', null]);
    expect(zipped.headers.get('vary')).toBe('Accept-Encoding');
    expect(zipped.text).toBe(plain.text);
  });

  test.each(['/assets/', '/assets/index.js', '/assets/../index.html', '/index.html', '/assets/%2e%2e/package.json'])(
    'has no other file: %s',
    async (path) => {
      expect((await api.get(path, null)).status).toBe(404);
    },
  );

  test('answers HEAD, and is read only', async () => {
    const head = await api.send('HEAD', '/', undefined, null);
    expect([head.status, head.text]).toEqual([200, '']);
    const post = await api.send('POST', '/', {}, null);
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });
});
