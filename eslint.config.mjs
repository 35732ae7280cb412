import tseslint from 'typescript-eslint';
import prettier from 'eslint-config-prettier';

/** The rooms, and the other rooms that each may import from. */
const ROOMS = {
  domain: [],
  config: ['domain'],
  runtime: ['domain', 'config'],
  pages: ['domain'],
  forecasting: ['domain'],
  exports: ['domain'],
  anthropic: ['domain', 'runtime', 'pages'],
  notify: ['domain', 'runtime'],
  db: ['domain', 'config', 'runtime'],
  workflows: ['domain'],
  activities: ['domain', 'runtime', 'pages', 'anthropic', 'notify', 'db'],
  worker: ['domain', 'config', 'runtime', 'pages', 'anthropic', 'notify', 'db', 'activities', 'workflows'],
  api: ['domain', 'config', 'runtime', 'forecasting', 'exports', 'db', 'workflows'],
  // The console knows the public API alone.
  console: [],
  commands: ['domain', 'config', 'runtime', 'exports', 'db'],
  simulator: [],
  local: ['domain', 'config', 'runtime', 'db'],
  bench: ['domain', 'db', 'local'],
  backtest: ['domain', 'simulator'],
};

/** Packages that a room must not import: domain/, pages/, exports/ and forecasting/ do no I/O, workflows/ uses the SDK only, the console runs in browsers. */
const FORBIDDEN_PACKAGES = {
  domain: ['^node:', '^[a-z@]'],
  console: ['^node:', '^(?!preact(?:/|$))[a-z@]'],
  forecasting: ['^(?!node:worker_threads$)[a-z@]'],
  exports: ['^node:', '^(?!hyparquet-writer$)[a-z@]'],
  pages: ['^(?!(?:node:crypto|node:worker_threads|zod)$)[a-z@]'],
  workflows: ['^node:', '^(?!@temporalio/(workflow|common)$)[a-z@]'],
};

/** Rooms that a room may import as types only: the code of activities must never enter the sandbox of workflows. */
const TYPES_ONLY = {
  workflows: ['activities'],
};

const walls = Object.entries(ROOMS).map(([room, allowed]) => {
  const typesOnly = TYPES_ONLY[room] ?? [];
  const shut = Object.keys(ROOMS).filter((other) => ![room, ...allowed, ...typesOnly].includes(other));
  const patterns = [
    {
      regex: `^\\.\\./(?:\\.\\./)*(?:${[...shut, 'test'].join('|')})/`,
      message: `${room}/ may import only from: ${allowed.join(', ') || 'nothing but itself'}.`,
    },
    ...typesOnly.map((other) => ({
      regex: `^\\.\\./(?:\\.\\./)*${other}/`,
      message: `${room}/ may import only types from ${other}/.`,
      allowTypeImports: true,
    })),
    ...(FORBIDDEN_PACKAGES[room] ?? []).map((regex) => ({
      regex,
      message: `${room}/ does not import this package.`,
    })),
  ];
  return {
    files: [`${room}/**/*.{ts,tsx}`],
    rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns }] },
  };
});

export default tseslint.config(
  { ignores: ['dist', 'node_modules', '.meterline', 'console/client/schema.ts'] },
  {
    files: ['**/*.{ts,tsx}'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
  },
  {
    files: ['**/*.{ts,tsx}'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-console': 'error',
      // Wrong for some hosts on Node 20 and 22: domain/url.ts says how.
      'no-restricted-properties': ['error', { object: 'URL', property: 'canParse', message: 'Use parseUrl.' }],
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      // TypeScript itself asks for bracket access to index signatures (noPropertyAccessFromIndexSignature).
      '@typescript-eslint/dot-notation': 'off',
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
    },
  },
  {
    // The sizes at which a reader loses the thread. Split by subject, and keep the control flow in the parent.
    files: Object.keys(ROOMS).map((room) => `${room}/**/*.{ts,tsx}`),
    rules: { 'max-lines': ['error', 350], 'max-lines-per-function': ['error', 60] },
  },
  {
    // Components return elements.
    files: ['console/**/*.tsx'],
    rules: { '@typescript-eslint/explicit-module-boundary-types': 'off' },
  },
  ...walls,
  {
    files: ['commands/**/*.ts', 'local/**/*.ts', 'simulator/main.ts', 'bench/**/*.ts', 'backtest/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  prettier,
);
