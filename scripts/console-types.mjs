/**
 * npm run console:types: writes the types of the HTTP API for the console, console/client/schema.ts, from the OpenAPI
 * document of the build.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, setUp } from './setup.mjs';

/** The types of an OpenAPI document, as the text of a file. */
export async function typesOf(document) {
  const { astToString, default: openapiTS } = await import('openapi-typescript');
  const types = astToString(await openapiTS(document, { alphabetize: true, immutable: true }));
  return `// Written by \`npm run console:types\`. Do not edit.\n${types}`;
}

if (import.meta.filename === process.argv[1]) {
  await setUp();
  const { endpoints } = await import(join(root, 'dist', 'api', 'app.js'));
  const { openApiDocument } = await import(join(root, 'dist', 'api', 'http', 'openapi.js'));
  const types = await typesOf(JSON.parse(JSON.stringify(openApiDocument(endpoints))));
  writeFileSync(join(root, 'console', 'client', 'schema.ts'), types);
}
