import type { AllowList } from '../domain/notices/allow-list.ts';
import { parseMailbox, parseSmtpUrl, type Mailbox, type SmtpServer } from '../domain/notices/mail.ts';
import { isMailAddress, isRoutingKey, isWebhookSecret, type PagerDutyRegion } from '../domain/notices/targets.ts';
import type { Message, Outcome, Target, TellOptions } from './delivery.ts';
import { systemResolver, type Resolver } from './http/guard.ts';
import { post, type Post } from './http/post.ts';
import { TIMEOUTS as HTTP_TIMEOUTS, type Timeouts as HttpTimeouts } from './http/route.ts';
import { composeMail } from './mail/compose.ts';
import { sendMail, TIMEOUTS as MAIL_TIMEOUTS, type Timeouts as MailTimeouts } from './mail/smtp.ts';
import { pagerDutyEvent } from './render/pagerduty.ts';
import { slackMessage } from './render/slack.ts';
import { teamsMessage } from './render/teams.ts';
import { webhookBody, webhookHeaders } from './render/webhook.ts';

export type { Message, Outcome, Target, TellOptions } from './delivery.ts';

/** The door that tells: the only way by which notices leave. */
export interface Door {
  /**
   * Tells a target once, without tries of its own. What came of it is the outcome, also if the attempt is called off.
   * Rejects only with what `beforeBody` rejected with, and then nothing of the message left.
   */
  tell(target: Target, message: Message, options: TellOptions): Promise<Outcome>;
}

export interface DoorSettings {
  /** The mail server; null if none is set. */
  readonly smtp: { readonly url: string } | null;
  /** Who mails come from: an address, or a name and an address. */
  readonly mailFrom: string | null;
  readonly allow: AllowList;
  /** Names product and version. */
  readonly userAgent: string;
  /** The proxy for https to other machines, and the hosts to reach without it. None by default. */
  readonly proxy?: { readonly url: string | null; readonly noProxy: string };
  /** How names are looked up; by default as the system does. */
  readonly resolve?: Resolver;
  readonly timeouts?: { readonly http?: Partial<HttpTimeouts>; readonly mail?: Partial<MailTimeouts> };
  /** PagerDuty's own addresses by default. */
  readonly pagerDutyUrls?: PagerDutyUrls;
}

/** Where events go, by service region. */
type PagerDutyUrls = Readonly<Record<PagerDutyRegion, string>>;

const PAGERDUTY_URLS: PagerDutyUrls = {
  us: 'https://events.pagerduty.com/v2/enqueue',
  eu: 'https://events.eu.pagerduty.com/v2/enqueue',
};

/** Opens the door. Throws a TypeError for a mail server or a sender in the wrong form; the configuration has checked both. */
export function openDoor(settings: DoorSettings): Door {
  const { smtp, mailFrom, userAgent, allow, resolve = systemResolver, proxy = { url: null, noProxy: '' } } = settings;
  const mail = smtp === null ? null : mailRouteOf(smtp.url, mailFrom);
  const route = { allow, resolve, proxy, userAgent, timeouts: { ...HTTP_TIMEOUTS, ...settings.timeouts?.http } };
  const mailTimeouts = { ...MAIL_TIMEOUTS, ...settings.timeouts?.mail };
  return {
    async tell(target, message, options) {
      const problem = problemWith(target);
      if (problem !== null) return { state: 'failed', reason: problem };
      if (target.kind !== 'email') {
        return post(requestOf(target, message, settings.pagerDutyUrls ?? PAGERDUTY_URLS), route, options);
      }
      // Somebody may set it within the day for which tries go on.
      if (mail === null) return { state: 'retry', reason: 'METERLINE_SMTP_URL is not set', retryAfterMs: null };
      const composed = await composeMail(message, target.address, { from: mail.from, userAgent });
      return sendMail(composed, mail.server, mailTimeouts, options);
    },
  };
}

function mailRouteOf(url: string, mailFrom: string | null): { readonly server: SmtpServer; readonly from: Mailbox } {
  const [server, from] = [parseSmtpUrl(url), parseMailbox(mailFrom ?? '')];
  if (server === null || from === null) throw new TypeError('no mail is sent by such a server or from such an address');
  return { server, from };
}

/** What was stored may be older than the checks of today. Quotes nothing. */
function problemWith(target: Target): string | null {
  switch (target.kind) {
    case 'email':
      return isMailAddress(target.address) ? null : 'this is no mail address';
    case 'webhook':
      return target.secrets.length > 0 && target.secrets.every(isWebhookSecret)
        ? null
        : 'the secret is not in the form of Standard Webhooks';
    case 'pagerduty':
      return isRoutingKey(target.routingKey) ? null : 'the routing key is not in the form of PagerDuty';
    case 'slack':
    case 'teams':
      return null;
  }
}

function requestOf(target: Exclude<Target, { kind: 'email' }>, message: Message, pagerDutyUrls: PagerDutyUrls): Post {
  switch (target.kind) {
    case 'slack':
      return { url: target.url, body: JSON.stringify(slackMessage(message)), secrets: [], isRepeatable: false };
    case 'teams':
      return { url: target.url, body: JSON.stringify(teamsMessage(message)), secrets: [], isRepeatable: false };
    case 'webhook': {
      const body = webhookBody(message);
      const headers = webhookHeaders(message.noticeId, body, target.secrets, Date.now());
      return { url: target.url, headers, body, secrets: target.secrets, isRepeatable: true };
    }
    case 'pagerduty': {
      const body = JSON.stringify(pagerDutyEvent(message, target.routingKey));
      return { url: pagerDutyUrls[target.region], body, secrets: [target.routingKey], isRepeatable: true };
    }
  }
}
