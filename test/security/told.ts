import { randomBytes } from 'node:crypto';
import { SMTPServer } from 'smtp-server';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { httpSink } from '../notify/sink.ts';
import { secret, type Secret } from './search.ts';

const token = (): string => randomBytes(24).toString('base64url');

/** What nobody may know of the channels of a stack, of its mail server and of its heartbeat. */
const SECRETS = {
  slack: token(),
  teams: token(),
  webhook: token(),
  signing: randomBytes(33).toString('base64'),
  nextSigning: randomBytes(33).toString('base64'),
  routing: randomBytes(16).toString('hex'),
  password: token(),
  heartbeat: token(),
};

/** Where a stack tells things: servers on this machine that quote whatever they get, and take none of it. */
export interface Told {
  /** The settings of the stack. */
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: readonly Secret[];
  /** The bodies of POST /v1/channels, by kind. */
  readonly channels: Readonly<Record<string, Record<string, unknown>>>;
  /** The body of PATCH /v1/channels/{id} that changes the secret of the webhook. */
  readonly change: Record<string, unknown>;
  /** Whether each of them was asked with its secret. */
  wereAsked(): boolean;
  close(): Promise<void>;
}

/** Opens the servers. PagerDuty is behind a proxy that is not there, so that nothing leaves this machine. */
export async function openTold(): Promise<Told> {
  const web = await httpSink((request, response) => {
    // All that the other side knows, in the words that Meterline stores and shows.
    const url = request.url ?? '';
    const signed = url.includes(SECRETS.webhook) ? `${SECRETS.signing} ${SECRETS.nextSigning}` : '';
    response.writeHead(500).end(`${url} ${JSON.stringify(request.headers)} ${signed}`);
  });
  let logins = 0;
  const mail = new SMTPServer({
    hideSTARTTLS: true,
    allowInsecureAuth: true,
    closeTimeout: 100,
    onAuth({ username, password }, _session, callback) {
      if (password === SECRETS.password) logins += 1;
      callback(new Error(`no login as ${username ?? ''} with ${password ?? ''}`));
    },
  });
  mail.on('error', () => undefined);
  mail.listen(0, '127.0.0.1');
  await once(mail.server, 'listening');
  const { port } = mail.server.address() as AddressInfo;
  const { slack, teams, webhook, signing, nextSigning, routing, password, heartbeat } = SECRETS;
  return {
    env: {
      METERLINE_SMTP_URL: `smtp://meterline:${password}@127.0.0.1:${port}`,
      METERLINE_MAIL_FROM: 'meterline@example.com',
      METERLINE_NOTIFY_ALLOW: '127.0.0.1',
      METERLINE_HEARTBEAT_URL: `${web.url}/ping/${heartbeat}`,
      HTTPS_PROXY: 'http://127.0.0.1:9',
    },
    secrets: [
      ...Object.entries(SECRETS).map(([name, text]) => secret(`the ${name} secret of notices`, text)),
      secret('the bytes that sign', Buffer.from(signing, 'base64')),
    ],
    channels: {
      email: { to: ['ada@example.com'] },
      slack: { url: `${web.url}/services/T0/B0/${slack}` },
      teams: { url: `${web.url}/workflows/x?sig=${teams}` },
      webhook: { url: `${web.url}/${webhook}`, secret: `whsec_${signing}` },
      pagerduty: { routing_key: routing },
    },
    change: { secret: `whsec_${nextSigning}` },
    wereAsked: () =>
      logins > 0 &&
      [slack, teams, webhook, heartbeat].every((part) => web.heard.some(({ url }) => url?.includes(part) === true)),
    async close() {
      await web.close();
      await new Promise<void>((done) => {
        mail.close(() => {
          done();
        });
      });
    },
  };
}
