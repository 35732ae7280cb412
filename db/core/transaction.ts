import type postgres from 'postgres';
import { lossOf } from './failures.ts';

/** Runs statements, in a transaction or outside of any. */
export type Statements = Pick<postgres.Sql, 'unsafe'>;

/** A session in which a transaction is open. */
export type Session = Pick<postgres.TransactionSql, 'unsafe' | 'savepoint'>;

/**
 * Runs a transaction so that the loss of its connection fails only this transaction. Postgres rolls it back, and the
 * driver rejects its promise.
 *
 * After a loss, the driver (postgres 3.4.9) still sends a rollback and the remaining statements. Without a socket, that
 * throws outside of any promise and ends the process. With a new socket, they reach the next session. So after a loss this
 * function never settles `work`, and refuses its statements: the driver then has nothing to send.
 *
 * test/db/database.test.ts ("to keep the connection of …") fails without it.
 */
export async function transactionThatSurvivesLoss<T>(
  client: postgres.Sql,
  work: (sql: Session) => PromiseLike<T>,
): Promise<T> {
  let isOver = false;
  const scope = async <R>(sql: Session, inner: (sql: Session) => PromiseLike<R>): Promise<R> => {
    try {
      const result = await inner(guarded(sql));
      return isOver ? await never() : result;
    } catch (error) {
      if (!isOver && lossOf(error) === null) throw error;
      return never();
    }
  };
  const guarded = (sql: Session): Session =>
    new Proxy(sql, {
      get: (target, name): unknown => {
        if (isOver) throw new Error('This transaction is over: its connection was lost');
        if (name !== 'savepoint') return Reflect.get(target, name);
        return <R>(inner: (sql: Session) => PromiseLike<R>) => target.savepoint((nested) => scope(nested, inner));
      },
    });
  try {
    return (await client.begin((sql) => scope(sql, work))) as T;
  } finally {
    isOver = true;
  }
}

function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}
