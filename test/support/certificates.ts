import { execFileSync } from 'node:child_process';

const NEW = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];

function openssl(directory: string, ...args: string[]): void {
  execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
}

/** Makes an authority of its own: `ca.pem` and `ca.key` in the directory. */
export function makeAuthority(directory: string): void {
  openssl(directory, ...NEW, '-subj', '/CN=Test authority', '-keyout', 'ca.key', '-out', 'ca.pem');
}

/** Makes `<name>.pem` and `<name>.key`, signed by that authority, or by nobody that anyone trusts. */
export function makeCertificate(
  directory: string,
  name: string,
  alternativeNames: string,
  { isTrusted = true } = {},
): void {
  const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-addext', 'basicConstraints=critical,CA:FALSE'];
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${alternativeNames}`];
  openssl(directory, ...NEW, ...subject, ...(isTrusted ? signed : []), '-keyout', `${name}.key`, '-out', `${name}.pem`);
}
