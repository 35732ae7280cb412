import { ApiError, ask } from '../../client/client.ts';
import { useReply } from '../../client/use-reply.ts';
import { Failure, Loading, Note } from '../../parts/messages.tsx';
import { go } from '../../route.ts';
import { placeOf } from './place.ts';
import { bodyOf, newReport, reportDraftOf } from './report-draft.ts';
import { ReportForm } from './report-form.tsx';

/** Creates a report, or changes the one that `id` names. */
export function ReportPage({ id, isAdmin }: { id: string; isAdmin: boolean }) {
  if (!isAdmin) {
    return (
      <Note title="An admin of this Meterline must do this.">
        <a href={placeOf('reports')}>See the reports</a>
      </Note>
    );
  }
  return (
    <section class="card stack" aria-labelledby="the-report">
      {id === 'new' ? <Creation /> : <Change id={id} />}
    </section>
  );
}

function leave(): void {
  go(placeOf('reports'));
}

function Creation() {
  return (
    <>
      <h2 id="the-report">Create a report</h2>
      <ReportForm
        form="new"
        start={newReport()}
        verb="Create"
        send={async (draft) => {
          await ask('post', '/v1/reports', { body: bodyOf(draft) });
          leave();
        }}
        onGiveUp={leave}
      />
    </>
  );
}

function Change({ id }: { id: string }) {
  const ids = { id };
  const { data: report, error, reload } = useReply('/v1/reports/{id}', { ids });
  if (report === null) {
    if (error === null) return <Loading what="the report" />;
    if (!(error instanceof ApiError) || error.problem.status !== 404) return <Failure error={error} retry={reload} />;
    return (
      <Note title="There is no such report.">
        <a href={placeOf('reports')}>See the reports</a>
      </Note>
    );
  }
  return (
    <>
      <h2 id="the-report">{`Change ${report.name}`}</h2>
      <ReportForm
        form={id}
        start={reportDraftOf(report)}
        verb="Save"
        send={async (draft) => {
          await ask('patch', '/v1/reports/{id}', { ids, body: bodyOf(draft) });
          leave();
        }}
        onGiveUp={leave}
      />
    </>
  );
}
