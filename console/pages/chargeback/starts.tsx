import { Note } from '../../parts/messages.tsx';
import { EMPTY, newKey, newRule, type Draft } from './draft.ts';
import type { EditorFacts } from './facts.ts';

/** Good places to begin, made of the tags that there are. */
export function Starts({ facts, onStart }: { facts: EditorFacts; onStart: (draft: Draft) => void }) {
  const tags = [...facts.tags].sort((a, b) => rankOf(a) - rankOf(b));
  return (
    <Note title="There are no rules yet. Begin with one of these, and change it as you like:">
      <div class="row">
        {tags.slice(0, 4).map((tag, index) => (
          <button
            key={tag}
            type="button"
            class={index === 0 ? 'primary' : ''}
            onClick={() => {
              onStart({ ...EMPTY, rules: [byTag(tag)] });
            }}
          >{`By tag ${tag}`}</button>
        ))}
        {tags.slice(0, 1).map((tag) => (
          <button
            key={`${tag} shared`}
            type="button"
            onClick={() => {
              onStart(shared(tag));
            }}
          >{`By tag ${tag}, and share the rest`}</button>
        ))}
        <button
          type="button"
          onClick={() => {
            onStart({ ...EMPTY, rules: [newRule()] });
          }}
        >
          {tags.length === 0 ? 'Write a rule' : 'Write my own'}
        </button>
      </div>
      {tags.length === 0 ? (
        <p class="muted small">
          Workspaces have no tags yet. With tags such as <code>team</code>, one rule serves every team.
        </p>
      ) : (
        <p class="muted small">
          By a tag, each of its values is a cost center. What has no tag stays with nobody, or is shared by all in
          proportion to their cost.
        </p>
      )}
    </Note>
  );
}

/** Tags that mostly name who pays come first. */
const LIKELY = ['cost_center', 'cost-center', 'team', 'department', 'project'];

function rankOf(tag: string): number {
  const place = LIKELY.indexOf(tag.toLowerCase());
  return place < 0 ? LIKELY.length : place;
}

function byTag(tag: string): Draft['rules'][number] {
  return newRule([], { kind: 'tag', name: tag });
}

function shared(tag: string): Draft {
  const name = 'Shared';
  return {
    rules: [byTag(tag), { ...newRule([], { kind: 'pool', name }), name: 'Everything else' }],
    pools: [{ key: newKey(), name, split: 'cost', among: null }],
  };
}
