import { Router, type RequestHandler } from 'express';
import helmet from 'helmet';
import { readFileSync, readdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { onlyMethods } from '../http/problems.ts';

/** The page may load and ask this server alone, and runs no script that is not a file of it. */
const pageSecurity = helmet.contentSecurityPolicy({
  useDefaults: false,
  directives: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'"],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
    requireTrustedTypesFor: ["'script'"],
    trustedTypes: ["'none'"],
  },
});

/** The bundler puts a hash of its content into the name of each file in this folder. */
const ASSETS = 'assets';
const FOR_EVER = 'public, max-age=31536000, immutable';

/**
 * The console, from the files that the build made in `directory`: `/` and what it loads. It needs no token, so the files
 * hold nothing of any connection. Throws if the files are missing.
 */
export function consoleRoutes(directory: string): Router {
  const router = Router({ strict: true });
  const serve = (path: string, file: string, ...before: RequestHandler[]): void => {
    router.get(path, ...before, sends(join(directory, file)));
    router.all(path, onlyMethods(['get']));
  };
  serve('/', 'index.html', pageSecurity, caches('no-store'));
  serve('/icon.svg', 'icon.svg', caches('no-cache'));
  for (const name of readdirSync(join(directory, ASSETS)))
    serve(`/${ASSETS}/${name}`, join(ASSETS, name), caches(FOR_EVER));
  return router;
}

function caches(value: string): RequestHandler {
  return (_request, response, next) => {
    response.set('Cache-Control', value);
    next();
  };
}

function sends(file: string): RequestHandler {
  const plain = readFileSync(file);
  const small = gzipSync(plain, { level: 9 });
  return (request, response) => {
    response.type(extname(file)).vary('Accept-Encoding');
    if (request.acceptsEncodings('gzip') === 'gzip') response.set('Content-Encoding', 'gzip').send(small);
    else response.send(plain);
  };
}
