import { createServer } from 'node:net';

/** Why no program can listen at a host of this machine, whatever the port; null if one can, or if no host is set. */
export async function problemWithHost(host: string | undefined): Promise<string | null> {
  if (host === undefined || host === '') return null;
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port: 0, host, exclusive: true }, resolve);
    });
    return null;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    const why = ['ENOTFOUND', 'EAI_AGAIN'].includes(code) ? 'cannot be resolved here' : 'is no address of this machine';
    // Anything but a host name may be a secret in the wrong variable.
    const named = /^[\w.:%[\]-]{1,253}$/.test(host) ? `names ${host}, which` : 'names something that';
    return `HOST ${named} ${why} (${code}): set it to one that is, such as 127.0.0.1 or 0.0.0.0`;
  } finally {
    server.close();
  }
}
