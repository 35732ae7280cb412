import { SearchAttributeType, defineSearchAttributeKey } from '@temporalio/common';

/** The attributes by which people find connections and syncs in the Temporal UI. None holds a secret. */
export const searchAttributes = {
  name: defineSearchAttributeKey('MeterlineName', SearchAttributeType.KEYWORD),
  connection: defineSearchAttributeKey('MeterlineConnection', SearchAttributeType.KEYWORD),
  organization: defineSearchAttributeKey('MeterlineOrganization', SearchAttributeType.KEYWORD),
  status: defineSearchAttributeKey('MeterlineStatus', SearchAttributeType.KEYWORD),
  syncKind: defineSearchAttributeKey('MeterlineSyncKind', SearchAttributeType.KEYWORD),
} as const;
