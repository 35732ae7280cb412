import { describe, expect, test } from 'vitest';
import { STATUSES, TRANSITIONS } from '../../domain/connection/statuses.ts';
import { blocksOf, firstLiterals, section } from '../support/documents.ts';

const PAGE = 'docs/connection-life.md';

interface Diagram {
  readonly nodes: Set<string>;
  readonly edges: { from: string; to: string }[];
}

/** Reads a Mermaid flowchart. An edge from or to a subgraph stands for one edge per node in it. */
function parseFlowchart(text: string): Diagram {
  const nodes = new Set<string>();
  const members = new Map<string, string[]>();
  const open: string[] = [];
  const drawn: { from: string; to: string }[] = [];
  for (const line of text.split('\n').map((untrimmed) => untrimmed.trim())) {
    const [, subgraph] = /^subgraph (\w+)/.exec(line) ?? [];
    const [, from, to] = /^(\w+) -- .+ --> (\w+)$/.exec(line) ?? [];
    const [, node] = /^(\w+)(?:\(\[.*\]\))?$/.exec(line) ?? [];
    if (subgraph !== undefined) {
      open.push(subgraph);
      members.set(subgraph, []);
    } else if (line === 'end') open.pop();
    else if (from !== undefined && to !== undefined) drawn.push({ from, to });
    else if (node !== undefined) {
      nodes.add(node);
      for (const around of open) members.get(around)?.push(node);
    } else if (line !== '' && !line.startsWith('flowchart ')) throw new Error(`not understood: ${line}`);
  }
  const nodesOf = (name: string): readonly string[] => members.get(name) ?? [name];
  const edges = drawn.flatMap((edge) =>
    nodesOf(edge.from).flatMap((from) => nodesOf(edge.to).map((to) => ({ from, to }))),
  );
  return { nodes, edges };
}

describe('the page on the life of a connection', () => {
  const [diagram] = blocksOf(section(PAGE, 'State diagram')).filter(({ language }) => language === 'mermaid');
  const { nodes, edges } = parseFlowchart(diagram?.text ?? '');

  test('draws every status, and no other', () => {
    expect([...nodes].sort()).toEqual([...STATUSES].sort());
  });

  test('draws every legal transition once, and no other', () => {
    const legal = STATUSES.flatMap((from) => TRANSITIONS[from].map((to) => `${from} --> ${to}`));
    expect(edges.map(({ from, to }) => `${from} --> ${to}`).sort()).toEqual(legal.sort());
  });

  test('explains every status, and no other', () => {
    expect(firstLiterals(section(PAGE, 'Statuses')).sort()).toEqual([...STATUSES].sort());
  });
});
