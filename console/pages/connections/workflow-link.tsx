import type { Schema } from '../../client/client.ts';

/** A workflow's page in Temporal's UI, or its id if the API does not know that UI. */
export function WorkflowLink({ of, words = 'Its workflow in Temporal' }: { of: Schema<'Workflow'>; words?: string }) {
  if (of.url === null) return <code>{of.workflow_id}</code>;
  return (
    <a href={of.url} rel="noreferrer" title={of.workflow_id}>
      {words}
    </a>
  );
}
