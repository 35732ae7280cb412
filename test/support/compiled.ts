import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ts from 'typescript';

const ROOT = join(import.meta.dirname, '../..');

/** Rooms as JavaScript, for programs that tests start as processes of their own. */
export interface CompiledRooms {
  readonly directory: string;
  remove(): Promise<void>;
}

/** Compiles rooms into a directory of this process, which lies under node_modules so that the files find packages. */
export async function compileRooms(rooms: readonly string[]): Promise<CompiledRooms> {
  const directory = join(ROOT, `node_modules/.cache/compiled-${process.pid}`);
  for (const room of rooms) {
    for (const file of await readdir(join(ROOT, room), { recursive: true })) {
      if (!file.endsWith('.ts')) continue;
      const { outputText } = ts.transpileModule(await readFile(join(ROOT, room, file), 'utf8'), {
        compilerOptions: {
          target: ts.ScriptTarget.ES2023,
          module: ts.ModuleKind.ESNext,
          rewriteRelativeImportExtensions: true,
          verbatimModuleSyntax: true,
        },
      });
      const to = join(directory, room, file.replace(/\.ts$/, '.js'));
      await mkdir(join(to, '..'), { recursive: true });
      await writeFile(to, outputText);
    }
  }
  // The API serves the console that `npm test` has built.
  if (rooms.includes('api')) await cp(join(ROOT, 'dist/console'), join(directory, 'console'), { recursive: true });
  await writeFile(join(directory, 'package.json'), '{"type":"module"}');
  return { directory, remove: () => rm(directory, { recursive: true, force: true }) };
}
