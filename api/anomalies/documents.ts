import type { z } from 'zod';
import type { IncidentInfo } from '../../db/anomalies/incidents.ts';
import type { StoredEnd } from '../../db/anomalies/tables.ts';
import { effectOf } from '../../domain/anomalies/assess.ts';
import { exploreOf } from '../../domain/anomalies/explore.ts';
import { named } from '../../domain/anomalies/names.ts';
import { contentOf } from '../../domain/notices/kinds.ts';
import type { anomaly } from './schemas.ts';

const ENDED_BECAUSE: Readonly<Record<StoredEnd, string>> = {
  back: 'The spend is back where it is expected.',
  new_normal: 'It has lasted so long that this level is normal now.',
  expected: 'Somebody said that it is expected.',
  wrong: 'Somebody said that it is no anomaly.',
  restated: 'Anthropic has corrected its days since, and they show nothing unusual any more.',
  sensitivity: 'At the present sensitivity it does not count.',
  disconnected: 'The connection was disconnected.',
};

/** An anomaly as it is shown. Workspaces are known by the names in `workspaces`. */
export function anomalyDocument(
  info: IncidentInfo,
  workspaces: ReadonlyMap<string, string>,
  publicUrl: string,
): z.input<typeof anomaly> {
  const { incident, connection, state, end, change, feedback } = info;
  const conditions = {
    cause: [...named(incident.cause, workspaces)],
    within: [...named(incident.within, workspaces)],
    counterpart: [...named(incident.counterpart, workspaces)],
  };
  // Its words show values as they are, and nobody knows a workspace by its id.
  const byName = conditions.cause.map(({ dimension, name }) => ({ dimension, value: name }));
  const { kind, direction, severity, observed, expected, excess } = incident;
  const explore = exploreOf(connection.id, incident);
  const days = { first_day: incident.firstDay, last_day: incident.lastDay };
  const amounts = { observed, expected, excess, change };
  const { subject, sentence } = contentOf('anomaly', {
    connection,
    anomaly: { id: info.id, kind, direction, explore },
    severity,
    ...conditions,
    ...days,
    ...amounts,
  });
  return {
    id: info.id,
    connection,
    kind,
    direction,
    severity,
    state,
    end,
    subject,
    sentence: end === null ? sentence : `${sentence} ${ENDED_BECAUSE[end]}`,
    ...conditions,
    explained: incident.explained,
    ...days,
    detected_on: incident.detectedOn,
    days_to_detection: incident.daysToDetection,
    ...amounts,
    days: incident.days.map((day) => ({ ...day })),
    strength: incident.strength,
    feedback:
      feedback === null
        ? null
        : {
            feedback: feedback.feedback,
            note: feedback.note,
            actor: feedback.actor,
            at: feedback.at.toISOString(),
            effect: effectOf({ incident: { ...incident, cause: byName }, feedback: feedback.feedback }),
          },
    explore: `${publicUrl}${explore}`,
    notice_id: info.noticeId,
    opened_at: info.openedAt.toISOString(),
    ended_at: info.endedAt?.toISOString() ?? null,
  };
}
