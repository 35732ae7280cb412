import { resolve } from 'node:path';
import { loadConfig } from '../../config/config.ts';
import { openDatabase } from '../../db/core/database.ts';
import { createLink } from '../../db/sessions/links.ts';
import { LINK_MINUTES, linkTo } from '../../domain/sessions.ts';
import { COMMAND } from '../../domain/tokens.ts';
import type { Stack } from '../stack/stack.ts';
import type { Console } from './console.ts';
import { shellWord } from './shell.ts';

/** Prints a link that signs a browser in to a running stack, and how to get another. */
export async function printLink(out: Console, { databaseUrl, publicUrl, dataDir }: Stack): Promise<void> {
  const isDefault = dataDir === resolve(loadConfig({}).dataDir);
  const another = `${isDefault ? '' : `METERLINE_DATA_DIR=${shellWord(dataDir)} `}npm run link`;
  // A database that DATABASE_URL names may be gone by now.
  const linkToken = await newLink(databaseUrl).catch(() => null);
  out.line();
  if (linkToken === null) {
    out.line(`  To sign in with a browser, run: ${another}`);
    return;
  }
  out.line(`  ${out.style('bold', 'Sign in with a browser')}`);
  out.line();
  out.line(`    ${linkTo(publicUrl, linkToken)}`);
  out.line();
  out.line(`  This link works once, for ${LINK_MINUTES} minutes. For another, run: ${another}`);
}

async function newLink(databaseUrl: string): Promise<string> {
  const database = openDatabase(databaseUrl, { max: 1, name: 'meterline link' });
  try {
    return await createLink(database.db, COMMAND);
  } finally {
    await database.close();
  }
}
