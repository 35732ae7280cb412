import { sql, type SQL } from 'drizzle-orm';
import { customType, type AnyPgColumn } from 'drizzle-orm/pg-core';
import type { z } from 'zod';
import type { Day } from '../../domain/days.ts';
import type { Decimal } from '../../domain/money.ts';
import { anyJson, dayJson, numericText, failureJson, parseAnswer, waitingJson } from './json.ts';

// Column types and constraint conditions that several tables share.

/** Bytes. */
export const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });

/** A UTC day. */
export const day = customType<{ data: Day; driverData: string }>({
  dataType: () => 'date',
  fromDriver: (text) => parseAnswer(dayJson, text),
});

/** An exact decimal. */
export const decimal = customType<{ data: Decimal; driverData: string }>({
  dataType: () => 'numeric',
  fromDriver: (text) => parseAnswer(numericText, text),
});

/** An instant. */
export const instant = customType<{ data: Date; driverData: string }>({
  dataType: () => 'timestamp with time zone',
  toDriver: (date) => date.toISOString(),
  fromDriver: (text) => new Date(text),
});

/** The clock of Postgres. */
export const NOW = sql`now()`;

/** A `jsonb` column that parses its content on each read. */
export function jsonOf<Value>(
  schema: z.ZodType<Value>,
): ReturnType<typeof customType<{ data: Value; driverData: unknown }>> {
  return customType<{ data: Value; driverData: unknown }>({
    dataType: () => 'jsonb',
    toDriver: (value) => JSON.stringify(value),
    fromDriver: (value) => parseAnswer(schema, value),
  });
}

/** A {@link failureJson}. */
export const failure = jsonOf(failureJson);
/** A {@link waitingJson}. */
export const waiting = jsonOf(waitingJson);
/** JSON of any form. */
export const json = jsonOf(anyJson);

/** The column has one of these values. Constraints take no parameters, so the values must not contain quotes. */
export function isOneOf(column: AnyPgColumn, values: readonly string[]): SQL {
  return sql`${column} in (${sql.raw(values.map((value) => `'${value}'`).join(', '))})`;
}

/** None of these numbers is negative. */
export function areCounts(...columns: AnyPgColumn[]): SQL {
  return sql`least(${sql.join(columns, sql`, `)}) >= 0`;
}

/** The decimal is neither NaN nor infinite, which `numeric` allows. */
export function isFiniteDecimal(column: AnyPgColumn): SQL {
  return sql`${column} not in ('NaN', 'Infinity', '-Infinity')`;
}

/** The text has at least one character and at most `max`. */
export function hasLength(column: AnyPgColumn, max: number): SQL {
  return sql`char_length(${column}) between 1 and ${sql.raw(String(max))}`;
}
