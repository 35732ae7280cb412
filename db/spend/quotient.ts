import { sql, type SQL } from 'drizzle-orm';

/**
 * A quotient of exact decimals, rounded half-even to 12 decimals; null where the divisor is zero. The divisor must not be
 * negative. A plain division keeps too few digits of large quotients, and rounding it again would round twice.
 */
export function quotient(dividend: SQL, divisor: SQL): SQL {
  return sql`(
    select (whole + case
      when 2 * abs(dividend - whole * divisor) > divisor then sign(dividend)
      when 2 * abs(dividend - whole * divisor) = divisor and mod(whole, 2) <> 0 then sign(dividend)
      else 0
    end) * 1e-12
    from (
      select dividend, divisor, div(dividend, divisor) as whole
      from (select (${dividend})::numeric * 1e12 as dividend, nullif(${divisor}, 0)::numeric as divisor) given
    ) divided
  )`;
}
