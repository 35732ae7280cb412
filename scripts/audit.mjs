/**
 * npm run audit: asks the registry for known vulnerabilities of the packages in an image. Exits with 0 if there is none of
 * level high or above, with 1 if there is one, and with 2 if the registry did not answer: unchecked is not clean.
 */
import { fail, npm, run } from './setup.mjs';

const { output } = await run([...npm, 'audit', '--omit=dev', '--audit-level=high', '--json']);
const report = parse(output);

if (report?.vulnerabilities === undefined) {
  process.stderr.write(
    `Nothing was audited: ${report?.message ?? 'the registry does not answer'}\n` +
      'Not every registry supports audits. Name one that does, for example with npm_config_registry, and try again.\n',
  );
  process.exit(2);
}
const grave = Object.values(report.vulnerabilities).filter(({ severity }) => /^(high|critical)$/.test(severity));
for (const { name, severity, via } of grave) {
  const titles = via.map((cause) => (typeof cause === 'string' ? cause : `${cause.title} (${cause.url})`));
  process.stdout.write(`${severity}: ${name}: ${titles.join('; ')}\n`);
}
if (grave.length > 0) fail(`${grave.length} packages have vulnerabilities of level high or above.`);
const { prod } = report.metadata.dependencies;
process.stdout.write(`${prod} packages, and no vulnerability of level high or above is known.\n`);

function parse(text) {
  try {
    // npm prints warnings before and after the JSON.
    return JSON.parse(/^\{$[\s\S]*^\}$/m.exec(text)?.[0] ?? '');
  } catch {
    return null;
  }
}
