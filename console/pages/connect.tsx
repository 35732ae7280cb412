import { useState } from 'preact/hooks';
import type { Schema } from '../client/client.ts';
import type { Session } from '../client/session.ts';
import { useKeyEntry } from '../parts/key-field.tsx';
import { Note } from '../parts/messages.tsx';
import { ConnectForm } from './connect/form.tsx';
import { FirstNumbers } from './connect/first-numbers.tsx';
import { WhatWeDo } from './connect/what-we-do.tsx';
import '../style/connections.css';

/** Connects an organization: the steps before the key, the key, Anthropic's verdict, and the first numbers. */
export function Connect({ session }: { session: Session }) {
  const [made, setMade] = useState<Schema<'Connection'> | null>(null);
  const entry = useKeyEntry();
  if (session.role !== 'admin') return <ForAdmins />;
  return (
    <>
      <div class="top">
        <h1>Connect an organization</h1>
      </div>
      <div class="grid">
        <section class="card connect">
          {made === null ? (
            <>
              <h2>Before you paste a key</h2>
              <Steps hasKey={entry.verdict.kind === 'good'} />
              <ConnectForm entry={entry} onMade={setMade} />
            </>
          ) : (
            <FirstNumbers
              made={made}
              onAnother={() => {
                setMade(null);
              }}
            />
          )}
        </section>
        <WhatWeDo />
      </div>
    </>
  );
}

const STEPS = [
  {
    title: 'You are in an organization',
    words: (
      <>
        Claude Console, Settings, Organization. Individual accounts have no Admin API; you can create an organization
        there.
      </>
    ),
  },
  {
    title: 'Your role there is admin',
    words: <>Only an admin can create the key. If you are none, ask one to do the rest.</>,
  },
  {
    title: 'Create an Admin key',
    words: (
      <>
        Claude Console, Settings, Admin Keys, Create Admin Key. Call it <code>meterline-cost-reader</code>, so that
        whoever reads that list next year knows what breaks when they delete it. It starts with{' '}
        <code>sk-ant-admin</code> and is shown once: save it in your password manager.
      </>
    ),
  },
] as const;

/** Whoever has an Admin key has done all that comes before it. */
function Steps({ hasKey }: { hasKey: boolean }) {
  return (
    <ol class="steps">
      {STEPS.map(({ title, words }) => (
        <li key={title} class={hasKey ? 'done' : ''}>
          <div>
            <strong>{title}</strong>
            {hasKey && <span class="hidden"> (done)</span>}
            <p class="muted">{words}</p>
          </div>
        </li>
      ))}
      <li>
        <div>
          <strong>Paste it here</strong>
          <p class="muted">Anthropic’s verdict on it comes within seconds.</p>
        </div>
      </li>
    </ol>
  );
}

function ForAdmins() {
  return (
    <div class="stack">
      <h1>Connect an organization</h1>
      <Note title="An admin of this Meterline must do this.">
        <p>
          You are here as a viewer: you see every number, and change nothing. Ask somebody who has a token of an admin.
        </p>
        <a href="#/connections">Look at the connections</a>
      </Note>
    </div>
  );
}
