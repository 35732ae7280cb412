/** The days of a reply that its numbers do not stand for in full. */
interface Counts {
  readonly provisional_days: number;
  readonly missing_days: number;
  readonly uncovered_days: number;
}

/** Says which days of a range the numbers lack, or may still change. Nothing if they are whole and final. */
export function Completeness({ of }: { of: Counts }) {
  const parts = [
    phrase(of.missing_days, 'is still to be read', 'are still to be read'),
    phrase(of.uncovered_days, 'is not covered', 'are not covered'),
    phrase(of.provisional_days, 'is provisional and may still change', 'are provisional and may still change'),
  ].filter((part) => part !== null);
  if (parts.length === 0) return null;
  return <p class="muted small">{`Of these days, ${parts.join('; ')}.`}</p>;
}

function phrase(days: number, one: string, many: string): string | null {
  return days === 0 ? null : `${days} ${days === 1 ? one : many}`;
}
