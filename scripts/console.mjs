/** Builds the console, the web page that the API serves. */
import { join } from 'node:path';
import { root } from './setup.mjs';

/** Builds console/ into a directory. Throws what the bundler says. */
export async function buildConsole(outDir) {
  const { build } = await import('vite');
  await build({
    root: join(root, 'console'),
    configFile: false,
    logLevel: 'warn',
    oxc: {
      // Elements as calls with their children as arguments are smaller than calls with a property for them.
      jsx: { runtime: 'classic', pragma: '_h', pragmaFrag: '_Fragment' },
      jsxInject: "import { h as _h, Fragment as _Fragment } from 'preact'",
    },
    build: {
      outDir,
      emptyOutDir: true,
      target: 'es2022',
      modulePreload: false,
      // The page's policy lets it load files from this server only.
      assetsInlineLimit: 0,
    },
  });
}
