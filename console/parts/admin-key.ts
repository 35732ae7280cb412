/**
 * What a text says about itself before anybody sends it. `wrong`: no Admin key begins or looks like this. `unusual`:
 * only Anthropic can tell. `none`: there is nothing yet.
 */
export type KeyVerdict =
  { readonly kind: 'none' | 'good' } | { readonly kind: 'wrong' | 'unusual'; readonly message: string };

const SHORTEST = 24;
const LONGEST = 256;
const WHERE = 'An admin creates an Admin key in the Claude Console under Settings, Admin keys.';

/** Looks at the shape of a pasted key. The message never quotes the key. */
export function keyVerdict(text: string): KeyVerdict {
  const key = text.trim();
  if (key === '') return { kind: 'none' };
  if (key.startsWith('sk-ant-api01-')) {
    return wrong(`This is a key of claude.ai for Enterprise. It does not read cost and usage reports. ${WHERE}`);
  }
  if (key.startsWith('sk-ant-api')) {
    return wrong(`This is a workspace key. It cannot read the data of an organization. ${WHERE}`);
  }
  if (/\s/.test(key)) return wrong('This has a space or a line break in it. Copy the whole key again.');
  if (!/^[A-Za-z0-9_.~+/=:|-]+$/.test(key)) {
    return wrong('This has characters that no key has. Copy the whole key again.');
  }
  if (key.length < SHORTEST) return wrong('This is too short for a whole key. Copy the whole key again.');
  if (key.length > LONGEST) return wrong('This is too long for a key. Copy the key alone.');
  if (key.startsWith('sk-ant-admin')) return { kind: 'good' };
  return {
    kind: 'unusual',
    message: 'Admin keys begin with sk-ant-admin, and this does not. If it is another kind of key, do not send it.',
  };
}

function wrong(message: string): KeyVerdict {
  return { kind: 'wrong', message };
}

/** Why a name cannot be one; null if it can. People paste keys into the wrong field. */
export function problemWithName(name: string): string | null {
  if (name.trim() === '') return 'Give it a name.';
  if (Array.from(name).length > 100) return 'Use at most 100 characters.';
  return name.includes('sk-ant-')
    ? 'This is a key and not a name. Everybody sees the name, so no key belongs into it.'
    : null;
}
