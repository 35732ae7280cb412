import { ApiError, UnreachableError } from '../client/client.ts';
import { Failure, Note } from './messages.tsx';
import { remedyOf } from './standing.ts';

/**
 * Why something that a person asked for did not happen, and what to do there and then. `hasForm`: the person typed something
 * for it, which still stands there.
 */
export function ActionFailure({ error, hasForm = false }: { error: Error; hasForm?: boolean }) {
  if (error instanceof UnreachableError) {
    return (
      <Note tone="bad" title="Meterline did not answer." role="alert">
        <p>It may have received the request all the same. Look at what the page shows before you send it again.</p>
      </Note>
    );
  }
  if (!(error instanceof ApiError) || (error.problem.errors ?? []).length > 0) return <Failure error={error} />;
  const { title, detail, anthropic_request_id, code, status } = error.problem;
  return (
    <Note tone="bad" title={code === 'conflict' ? 'Meterline did not do this.' : title} role="alert">
      {detail !== title && <p>{detail}</p>}
      {code !== 'conflict' && <p>{remedyOf(error.problem)}</p>}
      {anthropic_request_id !== undefined && (
        <p class="small">
          Anthropic’s request id is <code>{anthropic_request_id}</code>.
        </p>
      )}
      {hasForm && status >= 500 && <p>Nothing that you typed here is lost, except a key: paste it again.</p>}
    </Note>
  );
}
