import { Router, urlencoded } from 'express';
import helmet from 'helmet';
import type { Logger } from 'pino';
import type { Db } from '../../db/core/database.ts';
import type { KeyRing } from '../../db/keys/key-ring.ts';
import { unsubscribe } from '../../db/notices/channels.ts';
import { subscriptionOf } from '../../db/notices/unsubscribe-token.ts';
import { onlyMethods } from '../http/problems.ts';
import { escaped } from './html.ts';

const PATH = '/unsubscribe/:token';

const pageSecurity = helmet.contentSecurityPolicy({
  useDefaults: false,
  directives: {
    defaultSrc: ["'none'"],
    styleSrc: ["'unsafe-inline'"],
    baseUri: ["'none'"],
    formAction: ["'self'"],
    frameAncestors: ["'none'"],
  },
});

/**
 * The link at the end of each mail. Mail programs open links on their own, so opening it changes nothing: a page shows a
 * button. The button, or the mail program itself (RFC 8058), posts, and that ends the mails. It needs no login.
 */
export function unsubscribeRoutes(db: Db, ring: KeyRing, log: Logger): Router {
  const router = Router({ strict: true });
  router.use('/unsubscribe', pageSecurity);
  router.get(PATH, (request, response) => {
    const subscription = subscriptionOf(ring, request.params.token);
    response.status(subscription === null ? 404 : 200).type('html');
    if (subscription === null) {
      response.send(page('This link is not valid', UNKNOWN));
      return;
    }
    const address = escaped(subscription.address);
    const button = '<form method="post"><button>Unsubscribe</button></form>';
    response.send(page('Unsubscribe', `<p>Should <b>${address}</b> get no more mails from this channel?</p>${button}`));
  });
  router.post(PATH, urlencoded({ extended: false, limit: '1kb' }), async (request, response) => {
    const subscription = subscriptionOf(ring, request.params.token);
    // A channel that is gone sends no mail, so there is nothing to refuse.
    if (subscription !== null && (await unsubscribe(db, subscription.channelId, subscription.address))) {
      log.info({ channel: subscription.channelId }, 'an address unsubscribed');
    }
    response.status(subscription === null ? 404 : 200).type('html');
    response.send(
      subscription === null
        ? page('This link is not valid', UNKNOWN)
        : page('Unsubscribed', `<p><b>${escaped(subscription.address)}</b> gets no more mails from this channel.</p>`),
    );
  });
  router.all(PATH, onlyMethods(['get', 'post']));
  return router;
}

const UNKNOWN =
  '<p>It may be cut short, or older than the present encryption key. Ask whoever runs Meterline to take you off the channel.</p>';

function page(title: string, content: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">
<title>${title}</title>
<style>:root { color-scheme: light dark } body { font: 16px/1.5 sans-serif; max-width: 32rem; margin: 3rem auto; padding: 0 1rem; overflow-wrap: anywhere } button { font: inherit; padding: .5rem 1rem }</style></head>
<body><main><h1>${title}</h1>${content}</main></body>
</html>
`;
}
