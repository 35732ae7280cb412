import { loadDatabaseConfig } from '../config/config.ts';
import { addressOn } from '../config/public-url.ts';
import { createLink } from '../db/sessions/links.ts';
import { LINK_MINUTES, linkTo } from '../domain/sessions.ts';
import { COMMAND } from '../domain/tokens.ts';
import { UsageError, runCommand, withDatabase } from './command.ts';

/** `npm run link`: prints a link that signs a browser in. Access to the database is enough to use it. */
const USAGE = 'Usage: npm run link';

await runCommand(USAGE, async (args) => {
  if (args.length > 0) throw new UsageError('"link" takes no arguments.');
  return withDatabase(loadDatabaseConfig, async ({ db, config: { publicUrl, host, port } }) => {
    const linkToken = await createLink(db, COMMAND);
    // Only the link goes to standard output, so that a script can open it.
    console.log(linkTo(publicUrl ?? addressOn(host, port), linkToken));
    console.error(
      `\nOpen it in a browser. It works once, for ${LINK_MINUTES} minutes, and whoever opens it is an admin.`,
    );
    return 0;
  });
});
