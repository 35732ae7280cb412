import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { go, linkTo } from '../../route.ts';
import { wordOf } from './dimensions.ts';
import { CompareEditor, RangeEditor, ReportEditor } from './editors.tsx';
import { FilterEditor } from './filter-editor.tsx';
import { GroupEditor } from './group-editor.tsx';
import { printQuery, withFilter, type Filter, type SpendQuery } from './query.ts';
import { COMPARE_WORDS, daysText, filterWords, groupsText, REPORT_WORDS, type NameOf } from './words.ts';

/** Where a query leads. */
export function linkFor(query: SpendQuery): string {
  return linkTo(['explore'], printQuery(query));
}

/** What an editor gets: the query now, and what to do with the next one. */
export interface EditorProps {
  readonly query: SpendQuery;
  readonly onAsk: (query: SpendQuery) => void;
}

/** The query as a row of chips that reads as a sentence. Each one opens an editor of its part. */
export function Chips({ query, nameOf }: { query: SpendQuery; nameOf: NameOf }) {
  const box = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<string | null>(null);
  const close = (): void => {
    if (open !== null) {
      const chip = box.current?.querySelector<HTMLElement>(`[data-chip="${open}"]`);
      (chip ?? box.current?.querySelector<HTMLElement>('[data-chip="add"]'))?.focus();
    }
    setOpen(null);
  };
  const onAsk = (next: SpendQuery): void => {
    close();
    go(linkFor(next));
  };
  useOutside(box, () => {
    setOpen(null);
  });
  const chip = (name: string, lead: string, words: string) => (
    <Chip
      {...{ name, lead, words }}
      isOpen={open === name}
      onToggle={() => {
        if (open === name) close();
        else setOpen(name);
      }}
    />
  );
  return (
    <div
      class="query"
      ref={box}
      onKeyDown={(event) => {
        if (event.key === 'Escape') close();
      }}
    >
      <div class="chips" role="group" aria-label="The query">
        {chip('report', '', REPORT_WORDS[query.report].name)}
        {chip('days', '', daysText(query))}
        {chip('groups', 'by', groupsText(query))}
        <FilterChips
          {...{ query, nameOf, chip }}
          onEnd={(next) => {
            box.current?.querySelector<HTMLElement>(`[data-chip="${next}"]`)?.focus();
            setOpen(null);
          }}
        />
        {query.compare !== null && chip('compare', 'against', wordOf(COMPARE_WORDS, query.compare))}
        {chip('add', '', '+ filter')}
        {query.compare === null && query.report !== 'unit-costs' && chip('compare', '', '+ compare')}
      </div>
      {open !== null && (
        <Panel key={open}>
          <Editor {...{ open, query, onAsk }} />
        </Panel>
      )}
    </div>
  );
}

function Chip(props: { name: string; lead: string; words: string; isOpen: boolean; onToggle: () => void }) {
  return (
    <button
      type="button"
      class={`chip ${props.words.startsWith('+') ? 'add' : ''}`}
      data-chip={props.name}
      aria-expanded={props.isOpen}
      onClick={props.onToggle}
    >
      {props.lead !== '' && <span class="muted">{`${props.lead} `}</span>}
      <b>{props.words}</b>
    </button>
  );
}

function FilterChips(props: {
  query: SpendQuery;
  nameOf: NameOf;
  chip: (name: string, lead: string, words: string) => ComponentChildren;
  /** Is told which chip gets the focus, since that of the filter goes. */
  onEnd: (next: string) => void;
}) {
  const { query, nameOf, chip, onEnd } = props;
  return (
    <>
      {query.filters.map((filter, index) => {
        const { about, values } = filterWords(filter, nameOf);
        return (
          <FilterChip
            key={`${filter.parameter} ${String(filter.excludes)}`}
            end={linkFor(withFilter(query, { ...filter, values: [] }))}
            words={`${about} ${values}`}
            onEnd={() => {
              onEnd(index + 1 < query.filters.length ? `filter-${index + 1}` : 'add');
            }}
          >
            {chip(`filter-${index}`, about, values)}
          </FilterChip>
        );
      })}
    </>
  );
}

/** A chip with a way to drop its filter at once. */
function FilterChip(props: { end: string; onEnd: () => void; words: string; children: ComponentChildren }) {
  const { end, onEnd, words, children } = props;
  return (
    <span class="chip-pair">
      {children}
      <a class="chip-end" href={end} onClick={onEnd}>
        <span aria-hidden="true">×</span>
        <span class="hidden">{`Remove “${words}”`}</span>
      </a>
    </span>
  );
}

function Editor({ open, ...props }: EditorProps & { open: string }) {
  switch (open) {
    case 'report':
      return <ReportEditor {...props} />;
    case 'days':
      return <RangeEditor {...props} />;
    case 'groups':
      return <GroupEditor {...props} />;
    case 'compare':
      return <CompareEditor {...props} />;
    default:
      return <FilterEditor {...props} filter={filterAt(props.query, open)} />;
  }
}

function filterAt({ filters }: SpendQuery, open: string): Filter | null {
  return filters[Number(open.replace('filter-', ''))] ?? null;
}

/** The place of an editor below the chips. Its first field has the focus. */
function Panel({ children }: { children: ComponentChildren }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const fields = '[data-first], input:checked, input, select, button';
    const { current } = box;
    (current?.querySelector<HTMLElement>('[data-first]') ?? current?.querySelector<HTMLElement>(fields))?.focus();
  }, []);
  return (
    <div class="panel" ref={box}>
      {children}
    </div>
  );
}

function useOutside(box: { readonly current: HTMLElement | null }, leave: () => void): void {
  useEffect(() => {
    const look = (event: PointerEvent): void => {
      if (event.target instanceof Node && box.current?.contains(event.target) === false) leave();
    };
    addEventListener('pointerdown', look);
    return () => {
      removeEventListener('pointerdown', look);
    };
  }, []);
}
