/**
 * npm run console:types: writes the types of the HTTP API for the console, console/client/schema.ts, from the OpenAPI
 * document of the build. With `--check` it only says, by its status, whether the file belongs to the build that is there.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, readText, root, setUp } from './setup.mjs';

const isCheck = process.argv[2] === '--check';
const FILE = join(root, 'console', 'client', 'schema.ts');

if (!isCheck) await setUp();
const { endpoints } = await import(join(root, 'dist', 'api', 'app.js'));
const { openApiDocument } = await import(join(root, 'dist', 'api', 'http', 'openapi.js'));
const { astToString, default: openapiTS } = await import('openapi-typescript');
const document = JSON.parse(JSON.stringify(openApiDocument(endpoints)));
const types = astToString(await openapiTS(document, { alphabetize: true, immutable: true }));
const text = `// Written by \`npm run console:types\`. Do not edit.\n${types}`;
if (!isCheck) writeFileSync(FILE, text);
else if (readText(FILE) !== text) {
  fail('console/client/schema.ts is not of this API. Run: npm run console:types');
}
