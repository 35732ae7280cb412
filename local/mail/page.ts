import PostalMime, { type Address, type Email } from 'postal-mime';

/** No program runs in a page, and nothing is fetched for it. What the mail is made of has its styles within. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
const STYLE = `
  :root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
  body { margin: 0; display: flex; flex-direction: column; height: 100vh; }
  header { padding: 0.75rem 1rem; border-bottom: 1px solid #8888; overflow-wrap: anywhere; }
  header p { margin: 0; }
  details { margin-top: 0.5rem; }
  pre { white-space: pre-wrap; max-height: 40vh; overflow: auto; font-size: 13px; }
  iframe { flex: 1; border: 0; width: 100%; min-height: 20rem; }`;

/**
 * A mail as a page for a browser: who wrote to whom, the text, and the HTML in a frame in which no program runs and no
 * form is sent. Links open in a tab of their own; of attachments only the names are shown. It never fails: a mail that
 * cannot be read becomes a page without content.
 */
export async function pageOf(source: Buffer): Promise<string> {
  const mail = await PostalMime.parse(source).catch((): Partial<Email> => ({}));
  const attachments = (mail.attachments ?? []).map(({ filename }) => filename ?? 'without a name');
  const rows: readonly (readonly [name: string, value: string])[] = [
    ['From', namesOf(mail.from === undefined ? [] : [mail.from])],
    ['To', namesOf(mail.to ?? [])],
    ['Date', mail.date ?? ''],
    ['Subject', mail.subject ?? ''],
    ...(attachments.length === 0 ? [] : [['Attachments', attachments.join(', ')] as const]),
  ];
  const head = rows.map(([name, value]) => `<p><b>${name}:</b> ${escaped(value)}</p>`).join('\n');
  const text =
    mail.text === undefined ? '' : `<details><summary>As text</summary><pre>${escaped(mail.text)}</pre></details>`;
  const frame =
    mail.html === undefined
      ? ''
      : `<iframe title="The mail" sandbox="allow-popups allow-popups-to-escape-sandbox" srcdoc="${escaped(framed(mail.html))}"></iframe>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(mail.subject ?? 'A mail')}</title>
<style>${STYLE}
</style>
</head>
<body>
<header>
${head}
${text}
</header>
${frame}
</body>
</html>
`;
}

/** The policy goes first, so that it holds for all of the mail, whatever that begins with. */
function framed(html: string): string {
  return `<meta http-equiv="Content-Security-Policy" content="${POLICY}"><base target="_blank">${html}`;
}

function namesOf(addresses: readonly Address[]): string {
  return addresses.map(({ name, address = '' }) => (name === '' ? address : `${name} <${address}>`)).join(', ');
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
